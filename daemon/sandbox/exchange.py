"""Exchange on premises on one host: autodiscover and Exchange Web Services behind a sign-in. Served by `server.py`."""

from __future__ import annotations

from collections.abc import Callable

from daemon.sandbox import autodiscover_json, autodiscover_pox, autodiscover_soap, ews
from daemon.sandbox.autodiscover_json import JsonAutodiscover
from daemon.sandbox.autodiscover_pox import PoxAutodiscover
from daemon.sandbox.autodiscover_soap import SoapAutodiscover
from daemon.sandbox.call import Answer, Call
from daemon.sandbox.cloud import Route
from daemon.sandbox.ews import Ews
from daemon.sandbox.exchange_signin import SignIn
from daemon.sandbox.script import Endpoint, Script
from daemon.sandbox.tenant import Tenant
from daemon.sandbox.whereabouts import Whereabouts


class Exchange:
    """The host: `find` gives what answers on a path, in any spelling of upper and lower case."""

    def __init__(self, *, tenant: Tenant, script: Script, url: Callable[[], str], cloud_url: Callable[[], str]) -> None:
        self._sign_in = SignIn(tenant=tenant, script=script)
        self._whereabouts = Whereabouts(tenant=tenant, script=script, url=url, cloud_url=cloud_url)
        self._json = JsonAutodiscover(whereabouts=self._whereabouts, url=url)
        self._ews = Ews(tenant=tenant, script=script, platform="on-premises")
        soap = SoapAutodiscover(tenant=tenant, whereabouts=self._whereabouts, url=url)
        pox = PoxAutodiscover(whereabouts=self._whereabouts, url=url)
        self._routes = {
            autodiscover_soap.PATH: Route(endpoint=Endpoint.AUTODISCOVER, handle=self._signed_in(soap.answer)),
            autodiscover_pox.PATH: Route(endpoint=Endpoint.AUTODISCOVER, handle=self._signed_in(pox.answer)),
            ews.PATH.casefold(): Route(endpoint=Endpoint.EWS, handle=self._in_mailboxes),
            autodiscover_json.PATH: Route(endpoint=Endpoint.AUTODISCOVER, handle=self._json.answer, method="GET"),
        }

    def find(self, method: str, path: str) -> Route | None:
        """Find what answers."""
        folded = path.casefold()
        return self._routes.get(autodiscover_json.PATH if folded.startswith(autodiscover_json.BELOW) else folded)

    def _signed_in(self, handle: Callable[[Call], Answer]) -> Callable[[Call], Answer]:
        """Let autodiscover be there at all, and then ask for a sign-in before it."""

        def answer(call: Call) -> Answer:
            self._whereabouts.check_served(call)
            self._sign_in.caller(call)
            return handle(call)

        return answer

    def _in_mailboxes(self, call: Call) -> Answer:
        return self._ews.answer(call, self._sign_in.caller(call))
