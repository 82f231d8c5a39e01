"""Sign-ins that belong to a connection: NTLM and Negotiate, through the extra `sitebind[negotiate]`.

Called by `ews_signin.py` where a server does not offer Basic. The library is imported when it is needed, and its
steps run in a thread: with Kerberos installed it may ask a key distribution centre.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import importlib.util
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final

from multidict import MultiMapping

from daemon.ports import ProviderFault, Secret
from daemon.providers.answer import Answer
from states import Fault

if TYPE_CHECKING:
    from spnego import ContextProxy

SCHEMES: Final = ("NTLM", "Negotiate")
"""What is spoken, the better one for a name and a password first: NTLM asks nobody else."""

_ROUNDS: Final = 4
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
    context = await asyncio.to_thread(_begun, scheme, host, user, password)
    challenge: bytes | None = None
    for _ in range(_ROUNDS):
        token = await _stepped(context, challenge, host=host)
        answer = await send(f"{scheme} {base64.b64encode(token).decode()}")
        challenge = _challenge(answer, scheme)
        if answer.status != 401 or not challenge or context.complete:
            return answer
    raise ProviderFault(Fault.ANSWER_MALFORMED, f"{host} went on asking in the middle of a sign-in with {scheme}")


def _begun(scheme: str, host: str, user: str, password: Secret) -> ContextProxy:
    import spnego  # noqa: PLC0415 - an optional extra

    return spnego.client(user, password.reveal(), hostname=host, service="HTTP", protocol=scheme.casefold())


async def _stepped(context: ContextProxy, challenge: bytes | None, *, host: str) -> bytes:
    """Give the next token. Of a failure only its kind is told: the library's exceptions hold frames with secrets."""
    from spnego.exceptions import SpnegoError  # noqa: PLC0415 - an optional extra

    try:
        token = await asyncio.to_thread(context.step, challenge)
    except (SpnegoError, ValueError, OSError) as error:
        kind = type(error).__name__
    else:
        return token or b""
    detail = f"the sign-in at {host} could not be answered: the server's part of it is not what it should be ({kind})"
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
