"""One TCP connection to whichever of several addresses answers first (RFC 8305). Called by `tunnel.py`.

asyncio has such a race too, but it loses the socket when it is cancelled at the moment of success.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

EAGER: Final = 0.25
"""Seconds before the next address is tried beside the ones before."""

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_Try = asyncio.Task[Connection]


async def first_connection(addresses: Sequence[str], port: int) -> Connection:
    """Connect to the first address that answers. Raises the first address's `OSError` when none does."""
    tries: list[_Try] = []
    winner: _Try | None = None
    try:
        for address in addresses:
            tries.append(asyncio.create_task(asyncio.open_connection(address, port), name=f"connect to {address}"))
            if (winner := await _winner(tries, within=EAGER)) is not None:
                return winner.result()
        winner = await _winner(tries, within=None)
        return (winner or tries[0]).result()
    finally:
        await _end([each for each in tries if each is not winner])


async def _winner(tries: Sequence[_Try], *, within: float | None) -> _Try | None:
    """The one that is connected; None after `within` seconds, or as soon as all have failed."""
    end = None if within is None else asyncio.get_running_loop().time() + within
    while True:
        for each in tries:
            if each.done() and each.exception() is None:
                return each
        pending = [each for each in tries if not each.done()]
        left = None if end is None else end - asyncio.get_running_loop().time()
        if not pending or (left is not None and left <= 0):
            return None
        await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)


async def _end(losers: Sequence[_Try]) -> None:
    """Nobody is left behind: neither a task nor a connection that came too late."""
    for each in losers:
        each.cancel()
    for found in await asyncio.gather(*losers, return_exceptions=True):
        if not isinstance(found, BaseException):
            found[1].transport.abort()
