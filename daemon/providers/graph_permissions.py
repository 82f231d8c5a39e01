"""What the app registration may do at Graph, as far as its token tells. Called by the Graph adapters."""

from __future__ import annotations

from collections.abc import Sequence

from daemon.providers.app_roles import Need, granted
from daemon.providers.graph import Graph


async def permissions(
    graph: Graph, *, fresh_without: Sequence[Need] = (), afresh: bool = False
) -> frozenset[str] | None:
    """The application permissions in the token for Graph; None where it cannot be read. Raises `ProviderFault`.

    A token that was kept may be older than a consent: where it lacks one of `fresh_without`, another is obtained.
    `afresh`: in any case, so that the secret is proved anew.
    """
    token, kept = await graph.token()
    roles = granted(token.value)
    if kept and (afresh or not all(need.met_by(roles) for need in fresh_without)):
        graph.forget(token)
        token, _ = await graph.token()
        roles = granted(token.value)
    return roles


def in_words(roles: frozenset[str] | None) -> str:
    """What the token carries, for a layer's detail."""
    if roles is None:
        return "what its token permits shows only when it is used"
    return f"its token carries {', '.join(sorted(roles))}" if roles else "its token carries no application permission"
