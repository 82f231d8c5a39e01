"""`sitebind status`: where every site stands, for a person or as JSON, and the exit code that says it."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from daemon.cli.exits import Exit
from daemon.cli.parser import Parser, add_json, add_url
from daemon.cli.place import client
from daemon.cli.terminal import Palette, counted, labelled, moment, plain

Site = dict[str, Any]

MANY: Final = 20
_COLOURS: Final = {"bound": "green", "failed": "red", "error": "red", "warning": "yellow"}


def add(root: Parser) -> None:
    """Add the command."""
    parser = root.command(
        "status",
        help="show where every site stands, with problems and what to do about them",
        example="sitebind status --config /etc/sitebind/config.ini\n\n"
        "exit code: 0 bound, 3 not bound, 4 the daemon is not reachable, 5 failed; of several sites the worst",
        execute=execute,
    )
    parser.add_argument("site", nargs="?", metavar="SITE", help="only this site; default: all")
    add_url(parser)
    add_json(parser)


def execute(args: argparse.Namespace) -> int:
    """Ask, print, and answer with the worst site's code."""
    daemon = client(args)
    if args.site is None:
        body = daemon.get("/api/v1/sites").body
        sites: list[Site] = body.get("sites", [])
    else:
        body = daemon.get(f"/api/v1/sites/{quote(args.site, safe='')}").body
        sites = [body]
    if args.json:
        print(json.dumps(body, indent=2, ensure_ascii=False))
    else:
        print("\n".join(for_a_person(sites, now=datetime.now(UTC), palette=Palette())))
    return worst(sites)


def worst(sites: list[Site]) -> Exit:
    """The code of the site that is worst off; none at all is not bound."""
    states = {site.get("state") for site in sites}
    if "failed" in states:
        return Exit.FAILED
    return Exit.WELL if states == {"bound"} else Exit.NOT_BOUND


def for_a_person(sites: list[Site], *, now: datetime, palette: Palette) -> Iterator[str]:
    """Every line of the answer; many sites become a count and a table of those that need somebody."""
    if not sites:
        yield "No site is configured. Add a site's file to the configuration folder; it is picked up by itself."
    elif len(sites) > MANY:
        yield from _summary(sites, palette)
    else:
        for number, site in enumerate(sites):
            yield from [""] * bool(number)
            yield from one_site(site, now=now, palette=palette)


def one_site(site: Site, *, now: datetime, palette: Palette) -> Iterator[str]:
    """One site in a few aligned lines, its problems with their remedies last."""
    state = plain(site.get("state"))
    shown = palette.paint(state, _COLOURS.get(state, "yellow"))
    yield f"{palette.paint(plain(site.get('id')), 'bold')}: {shown} since {moment(site.get('since'), now=now)}"
    for label, text in _facts(site, now):
        yield from labelled(label, text)
    for problem in site.get("problems") or []:
        yield from _problem(problem, now=now, palette=palette)


def _facts(site: Site, now: datetime) -> Iterator[tuple[str, str]]:
    yield "reason", site.get("reason") or "not said"
    if site.get("company") or site.get("region"):
        yield "company", f"{site.get('company') or 'unknown'}, region {site.get('region') or 'unknown'}"
    yield "site", f"{site.get('display_name') or site.get('server_name')}, code {site.get('site_code')}"
    yield "binding", _binding(site.get("binding"), now)
    if site.get("retry_at"):
        yield "retry", moment(site["retry_at"], now=now)


def _binding(binding: dict[str, Any] | None, now: datetime) -> str:
    if binding is None:
        return "none is held"
    expires = moment(binding["expires_at"], now=now) if binding.get("expires_at") else "never"
    return (
        f"account {binding.get('account_code')} by {binding.get('method')}, "
        f"bound {moment(binding.get('bound_at'), now=now)}, "
        f"verified {moment(binding.get('verified_at'), now=now)}, expires {expires}"
    )


def _problem(problem: dict[str, Any], *, now: datetime, palette: Palette) -> Iterator[str]:
    severity = plain(problem.get("severity"))
    since = moment(problem.get("since"), now=now)
    first, *others = labelled(severity, f"{problem.get('text')} [{problem.get('code')}, since {since}]")
    yield first.replace(severity, palette.paint(severity, _COLOURS.get(severity, "dim")), 1)
    yield from others
    if problem.get("remedy"):
        yield from labelled("", f"→ {problem['remedy']}")


def _summary(sites: list[Site], palette: Palette) -> Iterator[str]:
    states = Counter(str(site.get("state")) for site in sites)
    yield f"{counted(len(sites), 'site')}: " + ", ".join(f"{number} {state}" for state, number in states.items())
    needy = [site for site in sites if site.get("state") != "bound" or _serious(site)]
    if not needy:
        yield "None has a problem. One in full: sitebind status SITE"
        return
    wide = max(len(plain(site.get("id"))) for site in needy[: MANY * 5])
    yield ""
    for site in needy[: MANY * 5]:
        yield _row(site, wide, palette)
    if len(needy) > MANY * 5:
        yield f"… and {len(needy) - MANY * 5} more: sitebind status --json"
    yield ""
    yield "Only sites that are not bound or have a problem are shown. One in full: sitebind status SITE"


def _row(site: Site, wide: int, palette: Palette) -> str:
    state = plain(site.get("state"))
    shown = palette.paint(state.ljust(12), _COLOURS.get(state, "yellow"))
    serious = _serious(site)
    why = plain(serious[0].get("text") if serious else site.get("reason"))
    return f"{plain(site.get('id')).ljust(wide)}  {shown}  {why[:80]}"


def _serious(site: Site) -> list[dict[str, Any]]:
    return [problem for problem in site.get("problems") or [] if problem.get("severity") != "info"]
