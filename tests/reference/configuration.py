"""docs/reference/configuration.md, from the table of options."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from daemon.config.options import SECTIONS, Kind, Option, Section, of_section
from daemon.config.values import duration
from states import Impact
from tests.reference.markdown import code, codes, page, table, title

KINDS: Final[dict[Kind, str]] = {
    "text": "text",
    "choice": "one of the choices",
    "flag": "`yes` or `no`",
    "integer": "whole number",
    "duration": "[duration](#durations)",
    "port": "port, 1 to 65535",
    "listen": "`HOST:PORT`",
    "host": "`HOST` or `HOST:PORT`",
    "address": "e-mail address",
    "url": "`https://HOST` or `https://HOST:PORT`",
    "path": "path; a relative one begins at the file's folder",
    "secret": "[secret](#secrets)",
    "site_id": "name of a-z, 0-9 and -",
    "host_headers": "hosts, by commas",
    "domains": "domains, by commas",
    "suffixes": "endings of host names, by commas",
    "proxy_exceptions": "hosts, networks and patterns, by commas",
    "socket": "path; empty: none",
    "mode": "octal mode",
    "steps": "names, by commas",
    "tenant": "GUID or domain",
    "distinguished_name": "distinguished name",
    "receiver": "`tls://HOST:PORT` or `tcp://HOST:PORT`",
}
WHEN_CHANGED: Final = {
    Impact.REBIND: "the site binds anew",
    Impact.APPLY: "at once",
    Impact.RESTART: "after a restart",
}
FIRST: Final = """\
Every option of the INI file, section by section. [config.example.ini](../../config.example.ini) is the same as a file
to copy; [configuration.md](../configuration.md) tells how a file is changed while the daemon runs.

* The file is the one of `--config`, else `$SITEBIND_CONFIG`, `./config.ini`, `/etc/sitebind/config.ini`.
* A folder as `--config` holds many sites: `[daemon]` in `daemon.ini`, and the other sections in one `NAME.ini` for
  each site.
* A comment needs a line of its own. `%` means itself. An option that does not exist is an error, with the nearest one
  that does.
* *When changed*: what follows a change while the daemon runs. `sitebind reload` says it of each option that
  changed."""
SECRETS: Final = """\
## Secrets

A secret is written as a reference. It is read anew at every attempt; a file whose content changed is noticed like a
changed option.

| Written as | The secret is |
| --- | --- |
| `file:PATH` | the file's text, without one line end at its end |
| `env:NAME` | the variable of the daemon's process |
| `credential:NAME` | the systemd credential (`LoadCredential=`) |
| `keyring:SERVICE/USER` | in the system's keyring; needs the extra `sitebind[keyring]` |
| `literal:TEXT` | TEXT itself, also where it begins like one of the above |
| anything else | itself, with a warning |

`literal:` and plain text are refused in a file that others can read (`chmod 600`). `sitebind check-config --secrets`
reads each of them.

## Durations

A whole number and its unit, `s`, `m`, `h` or `d`: `30s`, `5m`, `1h`, `7d`."""


def text() -> str:
    """The page."""
    lines = title("Configuration reference", first=FIRST)
    for section in SECTIONS:
        lines += _section(section)
    return page([*lines, SECRETS])


def _section(section: Section) -> Iterator[str]:
    yield from (f"## [{section.name}]", "", f"{section.help} ({_where(section)})", "")
    options = of_section(section.name)
    rows = [
        (f"[`{option.name}`](#{section.name}-{option.name})", value_of(option), _default(option)) for option in options
    ]
    yield from table(("Option", "Value", "Default"), rows)
    for option in options:
        yield from _option(option)


def _where(section: Section) -> str:
    return section.tab if section.tab.startswith("not") else f"in the Windows tool: {section.tab}"


def _option(option: Option) -> Iterator[str]:
    yield from (f"### {option.section} {option.name}", "", option.help, "")
    facts = {
        "Value": value_of(option),
        "Unit": option.unit,
        "Choices": codes(option.choices),
        "Bounds": _bounds(option),
        "Default": _default(option),
        "When changed": WHEN_CHANGED[option.impact],
        "Example": code(f"{option.name} = {option.example}" if option.example else ""),
    }
    yield from (f"* {name}: {said}" for name, said in facts.items() if said)
    yield ""


def value_of(option: Option) -> str:
    """What is written; a kind that only one option has says it as that option's unit."""
    return KINDS.get(option.kind) or option.unit


def _default(option: Option) -> str:
    return code(option.default) or "not set"


def _bounds(option: Option) -> str:
    if not option.highest:
        return ""
    if option.kind == "duration":
        return f"{duration(option.lowest)} to {duration(option.highest)}"
    return f"{option.lowest} to {option.highest}"
