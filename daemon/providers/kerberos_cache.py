"""A cache for tickets that lives in memory, and no longer than it is needed.

Used by `kerberos.py`. GSSAPI fills such a cache and cannot end it, so MIT's library is asked to, which is in the
process anyway once GSSAPI is.
"""

from __future__ import annotations

import ctypes
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_LIBRARY: Final = "libkrb5.so.3"


@contextmanager
def passing() -> Iterator[str]:
    """The name of a new cache, which is gone afterwards. Raises `OSError` where MIT's library is not there."""
    library, name = ctypes.CDLL(_LIBRARY), f"MEMORY:sitebind-{secrets.token_hex(8)}"
    try:
        yield name
    finally:
        _destroy(library, name)


def _destroy(library: ctypes.CDLL, name: str) -> None:
    context, cache = ctypes.c_void_p(), ctypes.c_void_p()
    if library.krb5_init_context(ctypes.byref(context)):
        # Without a configuration that can be read there was no ticket either.
        return
    if not library.krb5_cc_resolve(context, name.encode(), ctypes.byref(cache)):
        library.krb5_cc_destroy(context, cache)
    library.krb5_free_context(context)
