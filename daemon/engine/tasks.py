"""Who owns the engine's tasks: every task has a name, is kept until it ends, and is ended at shutdown.

An `asyncio.TaskGroup` ends everything when one task fails. Here one site's defect must not end the others, so
an unexpected error is logged with its traceback and handed to the owner of that task instead.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

_log = logging.getLogger("sitebind.tasks")


class Tasks:
    """A set of named tasks."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def start(
        self,
        work: Coroutine[Any, Any, None],
        *,
        name: str,
        failed: Callable[[BaseException], None] | None = None,
    ) -> asyncio.Task[None]:
        """Run `work`; an unexpected error is logged and told to `failed`."""
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(lambda done: self._ended(done, failed))
        return task

    def _ended(self, task: asyncio.Task[None], failed: Callable[[BaseException], None] | None) -> None:
        self._running.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            return
        _log.error("task %s ended with an unexpected error", task.get_name(), exc_info=error)
        if failed is not None:
            failed(error)

    async def settle(self) -> None:
        """Wait until nothing runs, including what the running tasks start."""
        while self._running:
            await asyncio.wait(tuple(self._running))

    async def close(self, *, seconds: float) -> tuple[str, ...]:
        """Cancel everything and wait that long at most; the names of tasks that would not end."""
        for task in tuple(self._running):
            task.cancel()
        if self._running:
            await asyncio.wait(tuple(self._running), timeout=seconds)
        return tuple(sorted(task.get_name() for task in self._running))
