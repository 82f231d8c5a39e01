"""To be written."""

from __future__ import annotations

from collections.abc import Callable

from daemon.sandbox.cloud import Route
from daemon.sandbox.script import Script
from daemon.sandbox.tenant import Tenant


class Exchange:
    """To be written."""

    def __init__(self, *, tenant: Tenant, script: Script, url: Callable[[], str], cloud_url: Callable[[], str]) -> None:
        self._tenant = tenant
        self._script = script
        self._url = url
        self._cloud_url = cloud_url

    def find(self, method: str, path: str) -> Route | None:
        """Find what answers."""
        return None
