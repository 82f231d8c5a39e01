"""[account] of a site in the sandbox's Microsoft 365, as it is written into a configuration file.

Used by `sitebind demo` and `sitebind sandbox serve`.
"""

from __future__ import annotations

from daemon.sandbox.tenant import (
    DEMO_GRAPH_CLIENT,
    DEMO_GRAPH_SECRET,
    DEMO_MAILBOX,
    DEMO_PROBE,
    DEMO_TENANT,
)


def microsoft_account(url: str) -> str:
    """The options, a line each; `url` is where the sandbox's Microsoft cloud answers."""
    return f"""\
smtp_address = {DEMO_MAILBOX}
directory_type = microsoft-365-directory
tenant_id = {DEMO_TENANT}
client_id = {DEMO_GRAPH_CLIENT}
client_secret = literal:{DEMO_GRAPH_SECRET}
# Another mailbox, on which the right to work in other mailboxes is proven.
impersonation_probe = {DEMO_PROBE}
# The simulated Microsoft 365. In earnest, leave these three out: they are Microsoft's own.
host_address = {url.removeprefix("https://")}
graph_url = {url}
exchange_online_url = {url}"""
