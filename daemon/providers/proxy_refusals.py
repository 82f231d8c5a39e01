"""Sign-ins that a proxy refused lately, so that no loop of verifications locks the proxy's account.

Owned by `http.HttpClients`. A proxy's user is often a directory account, and a thousand sites may share it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from daemon.ports import ProviderFault, Route, Secret
from states import Fault

PAUSE: Final = 15 * 60.0
_SignIn = tuple[str, int, str, Secret | None]


class ProxyRefusals:
    """By proxy, user and password: other sites with the same sign-in wait too, a changed one is tried at once.

    What a person asks for, or a changed configuration, begins with the `connect` step, which always tries.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._until: dict[_SignIn, float] = {}

    def check(self, route: Route, *, proxy: str) -> None:
        """Raise `ProviderFault` while the route's sign-in is not to be tried."""
        left = self._until.get(_sign_in(route), 0.0) - self._monotonic()
        if left > 0:
            raise ProviderFault(
                Fault.PROXY_AUTHENTICATION,
                f"the proxy {proxy} refused this name and password; so as not to lock them, they are not tried "
                f"again for {left / 60:.0f} min, unless somebody asks for a bind or changes them",
            )

    def note(self, route: Route, fault: Fault | None) -> None:
        """Take in how a connection through the proxy ended; None when it came about."""
        now = self._monotonic()
        if fault is Fault.PROXY_AUTHENTICATION and route.proxy_username:
            self._until = {key: until for key, until in self._until.items() if until > now}
            self._until[_sign_in(route)] = now + PAUSE
        elif fault is None:
            self._until.pop(_sign_in(route), None)


def _sign_in(route: Route) -> _SignIn:
    return route.proxy_host, route.proxy_port, route.proxy_username, route.proxy_password
