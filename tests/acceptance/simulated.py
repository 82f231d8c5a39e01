"""The simulated Mimecast in a thread of the test's own process, on free ports, steered as `sitebind sandbox` does it.

It outlives the daemons that a test starts and kills, and a test may give it a world of its own.
"""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any, Self

from daemon.cli.sandbox_control import Control
from daemon.sandbox import Sandbox, World


class Simulated:
    """Serves from `start` to the end of the `with` block. `folder` is what `sandbox --directory` wants to hear."""

    def __init__(self, folder: Path, world: World) -> None:
        self.folder = folder
        self._control = Control(folder / "sandbox")
        self._sandbox = Sandbox(directory=folder / "sandbox", world=world)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="simulated Mimecast", daemon=True)
        self.global_url = self.services_url = self.exchange_url = self.microsoft_url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        self._wait(self._sandbox.start())
        self.global_url, self.services_url = self._sandbox.global_url, self._sandbox.services_url
        self.exchange_url, self.microsoft_url = self._sandbox.exchange_url, self._sandbox.microsoft_url
        return self

    def __exit__(self, *_: object) -> None:
        self._wait(self._sandbox.stop())
        self._wait(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    @property
    def ca_file(self) -> Path:
        return self.folder / "sandbox" / "ca.pem"

    @property
    def calls(self) -> dict[str, int]:
        """How many calls each endpoint has had."""
        calls: dict[str, int] = self.state()["calls"]
        return calls

    def state(self) -> dict[str, Any]:
        return self._control.get("/sandbox/state")

    def trouble(self, name: str, **more: Any) -> None:
        self._control.post("/sandbox/trouble", {"name": name, **more})

    def heal(self) -> None:
        self._control.post("/sandbox/heal", {})

    def set_password(self, email: str, password: str) -> None:
        self._control.post("/sandbox/password", {"email": email, "password": password})

    def _wait(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)
