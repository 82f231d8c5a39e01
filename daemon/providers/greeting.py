"""A call without a sign-in, judged: is it the service's own API that answers over HTTP? Called by both adapters.

What the service says does not matter here, it refuses such a call. That it answers with JSON does: a captive
portal, an inspecting proxy's page or a server that is down do not.
"""

from __future__ import annotations

from daemon.ports import Greeting
from daemon.providers import envelope
from daemon.providers.answer import Answer, service_time
from daemon.providers.envelope import About


def judged(answer: Answer, about: About, *, host: str) -> Greeting:
    """Say what answered. Raises `ProviderFault` for a server's own failure, a throttled call or a stranger's answer."""
    if answer.status == 429 or answer.status >= 500:
        envelope.document(answer, about)
    if not isinstance(answer.json, dict):
        what = "is empty" if not answer.body else "is not JSON, so something on the way may have given it"
        raise envelope.malformed(answer, about, what)
    detail = f"{host} answers {about.what} with HTTP {answer.status} in JSON, as the service does"
    return Greeting(detail=detail, service_time=service_time(answer))
