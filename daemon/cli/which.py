"""Which site is meant, and whether there is a daemon to ask. Used by the commands that also work without one."""

from __future__ import annotations

from collections.abc import Sequence

from daemon.cli.client import Client
from daemon.cli.exits import Exit, Failure
from daemon.cli.terminal import plain


def is_absent(failure: Failure) -> bool:
    """No daemon answers, or the file that would say where it is cannot be used."""
    return failure.code is Exit.UNREACHABLE or failure.text.startswith("The [daemon] settings")


def only_site(daemon: Client) -> str:
    """The daemon's only site. Raises `Failure` where there is none, or more than one."""
    return only([str(site.get("id")) for site in daemon.get("/api/v1/sites").body.get("sites", [])])


def only(sites: Sequence[str]) -> str:
    """The only one of these sites. Raises `Failure` that lists them."""
    if len(sites) == 1:
        return sites[0]
    if not sites:
        raise Failure("No site is configured.", Exit.USAGE)
    raise Failure(f"There are several sites; name one of them: {', '.join(map(plain, sites))}.", Exit.USAGE)
