"""Calls into libraries that block and cannot be stopped, each in a thread of its own and with a time of its own.

Used for Kerberos, whose library waits half a minute for a silent key distribution centre, and for files on a mount that
may not answer. The loop's own threads would be used up by such calls, and a daemon that stops would wait for them.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

_Result = TypeVar("_Result")


class AllTaken(Exception):
    """As many calls as there may be at a time have not returned yet, or the system gives no thread for one more."""


class Threads:
    """At most `most` calls at a time. One that was given up counts until the library returns from it."""

    def __init__(self, most: int) -> None:
        self._places = threading.Semaphore(most)

    async def run(self, call: Callable[[], _Result], *, seconds: float) -> _Result:
        """What `call` gives or raises. Raises `TimeoutError` after `seconds`, and `AllTaken` at once."""
        if not self._places.acquire(blocking=False):
            raise AllTaken
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[_Result] = loop.create_future()
        # A daemon thread: nobody waits for the library when the process ends.
        thread = threading.Thread(target=self._work, args=(call, ended, loop), name="blocking call", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system gives this process no further thread
            self._places.release()
            raise AllTaken from None
        async with asyncio.timeout(seconds):
            return await ended

    def _work(
        self, call: Callable[[], _Result], ended: asyncio.Future[_Result], loop: asyncio.AbstractEventLoop
    ) -> None:
        try:
            settle = partial(_give, ended, call())
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to the caller
            settle = partial(_fail, ended, error)
        finally:
            self._places.release()
        with suppress(RuntimeError):  # the loop has ended meanwhile, and with it whoever waited
            loop.call_soon_threadsafe(settle)


def _give(ended: asyncio.Future[_Result], result: _Result) -> None:
    if not ended.done():
        ended.set_result(result)


def _fail(ended: asyncio.Future[_Result], error: Exception) -> None:
    if not ended.done():
        ended.set_exception(error)
