"""Exchange Web Services of Exchange Online: `ews.py` behind a token of the identity platform.

For the host of Microsoft's cloud, which keeps the tokens.
"""

from __future__ import annotations

from collections.abc import Callable

from daemon.sandbox.access_tokens import AccessTokens
from daemon.sandbox.call import Answer, Call
from daemon.sandbox.ews import Ews
from daemon.sandbox.script import Script
from daemon.sandbox.tenant import EXCHANGE_ROLES, Tenant

# [gap] ours: the texts, and that a token without the role is refused by 401 and not by 403.
_INVALID = '2000001;reason="The token is not valid.";error_category="invalid_token"'
_NO_ROLE = '2000008;reason="The token contains no permissions.";error_category="invalid_grant"'


class OnlineEws:
    """The handler. Tokens must be meant for `url`."""

    def __init__(self, *, tenant: Tenant, script: Script, tokens: AccessTokens, url: Callable[[], str]) -> None:
        self._ews = Ews(tenant=tenant, script=script, platform="microsoft-365")
        self._tokens = tokens
        self._url = url

    def answer(self, call: Call) -> Answer:
        """Answer an application; nobody signs in by password here."""
        bearer = self._tokens.bearer(call, audience=self._url())
        if bearer is None:
            return self._refusal(_INVALID if call.headers.get("Authorization") else "")
        if not bearer.roles & EXCHANGE_ROLES:
            return self._refusal(_NO_ROLE)
        return self._ews.answer(call, None)

    def _refusal(self, diagnostics: str) -> Answer:
        headers = {
            "Content-Type": "text/plain",
            "WWW-Authenticate": f'Bearer realm="", authorization_uri="{self._url()}"',
        }
        if diagnostics:
            headers["x-ms-diagnostics"] = diagnostics
        return Answer(status=401, body=b"", headers=headers)
