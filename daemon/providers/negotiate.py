"""Sign-ins that belong to a connection: NTLM and Negotiate, through the extra `sitebind[negotiate]`.

Called by `ews_signin.py` where a server does not offer Basic. The library is imported when it is needed, and its
steps run in a thread: with Kerberos installed it may ask a key distribution centre.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import importlib.util
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from multidict import MultiMapping

from daemon.ports import ProviderFault, Secret
from daemon.providers.answer import Answer
from states import Fault

if TYPE_CHECKING:
    from spnego import ContextProxy

SCHEMES: Final = ("NTLM", "Negotiate")
"""What is spoken, the better one for a name and a password first: NTLM asks nobody else."""

_ROUNDS: Final = 3
_Result = TypeVar("_Result")
Send = Callable[[str], Awaitable[Answer]]
"""Sends the call with this Authorization header, always over the same connection."""


def is_installed() -> bool:
    """Whether the extra is there."""
    return importlib.util.find_spec("spnego") is not None


def chosen(offered: Sequence[str]) -> str:
    """The scheme to take of those that are offered, in the spelling of the server's; empty for none."""
    by_name = {scheme.casefold(): scheme for scheme in offered}
    return next((by_name[scheme.casefold()] for scheme in SCHEMES if scheme.casefold() in by_name), "")


def offers_in(answer: Answer) -> list[str]:
    """Every WWW-Authenticate header of an answer."""
    headers = answer.headers
    if isinstance(headers, MultiMapping):
        return list(headers.getall("WWW-Authenticate", ()))
    return [headers["WWW-Authenticate"]] if "WWW-Authenticate" in headers else []


async def signed_in(send: Send, scheme: str, *, host: str, user: str, password: Secret) -> Answer:
    """Sign in at `host` and give the answer to the call: 401 where the sign-in was refused. Raises `ProviderFault`."""
    context = await _worked(partial(_begun, scheme, host, user=user, password=password), host=host)
    answer = await _proved(send, scheme, context=context, challenge=None, host=host)
    for _ in range(_ROUNDS):
        challenge = _challenge(answer, scheme)
        if answer.status != 401 or not challenge or context.complete:
            break
        answer = await _proved(send, scheme, context=context, challenge=challenge, host=host)
    return answer


async def _proved(send: Send, scheme: str, *, context: ContextProxy, challenge: bytes | None, host: str) -> Answer:
    token = await _worked(partial(context.step, challenge), host=host)
    return await send(f"{scheme} {base64.b64encode(token or b'').decode()}")


def _begun(scheme: str, host: str, *, user: str, password: Secret) -> ContextProxy:
    import spnego  # noqa: PLC0415 - an optional extra

    # At DEBUG the library writes every token, out of which a password can be guessed at leisure.
    logging.getLogger("spnego").setLevel(logging.WARNING)
    return spnego.client(user, password.reveal(), hostname=host, service="HTTP", protocol=scheme.casefold())


async def _worked(work: Callable[[], _Result], *, host: str) -> _Result:
    """Let the library work. Of a failure only its kind is told: the exceptions hold frames with secrets."""
    try:
        return await asyncio.to_thread(work)
    except Exception as error:  # noqa: BLE001 - out of a stranger's bytes the library makes errors of every kind
        kind = type(error).__name__
    detail = f"the sign-in at {host} could not be worked out: the server's part of it may make no sense ({kind})"
    raise ProviderFault(Fault.ANSWER_MALFORMED, detail)


def _challenge(answer: Answer, scheme: str) -> bytes:
    """What the server says in its turn; empty when it says nothing."""
    for offer in offers_in(answer):
        name, _, token = offer.strip().partition(" ")
        if name.casefold() == scheme.casefold() and token.strip():
            try:
                return base64.b64decode(token.strip(), validate=True)
            except binascii.Error:
                return b""
    return b""
