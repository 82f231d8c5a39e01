"""The example file, written from the option table, so that it can never lag behind. Used by tests and documentation."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from daemon.config.options import SECTIONS, Option, of_section
from states import Impact

_WIDTH = 100
_WHEN_CHANGED = {
    Impact.REBIND: "the site binds anew",
    Impact.APPLY: "applied at once",
    Impact.RESTART: "needs a restart",
}
_UNITS = {"duration": "30s, 5m or 1h", "flag": "yes or no", "address": "e-mail address", "secret": "secret"}
_HEADER = """\
sitebind: every option with its default, its unit and what a change of it asks for.

Copy this file to config.ini (chmod 600), change what stands below, then: sitebind check-config --config config.ini
A comment needs a line of its own. Paths are relative to this file's folder. A change is picked up by itself.

A secret is written as file:PATH, env:NAME, credential:NAME (systemd), keyring:SERVICE/USER or literal:TEXT. Plain text
works with a warning; plain text and literal: are refused where others can read the file.

Many sites in one process: --config FOLDER, with [daemon] in FOLDER/daemon.ini and the other sections in one
FOLDER/NAME.ini for each site.
"""


def example_file() -> str:
    """The text of config.example.ini."""
    parts = ["\n".join(_comment(_HEADER))]
    for section in SECTIONS:
        title = f"# --- {section.tab} "
        body = [title.ljust(_WIDTH, "-"), f"# {section.help}", f"[{section.name}]"]
        parts.append("\n".join(body))
        parts += ["\n".join(entry(option)) for option in of_section(section.name)]
    return "\n\n".join(parts) + "\n"


def entry(option: Option) -> Iterator[str]:
    """One option: what it is for, its unit, default and impact as comments, then its line."""
    yield from (f"# {line}" for line in textwrap.wrap(option.help, _WIDTH - 2))
    unit = option.unit or ", ".join(option.choices) or _UNITS.get(option.kind, "")
    facts = f"Unit: {unit}. " if unit else ""
    default = option.default or "not set"
    yield f"# {facts}Default: {default}. When changed: {_WHEN_CHANGED[option.impact]}."
    if option.example is None:
        yield f"#{option.name} = {option.default}".rstrip()
    else:
        yield f"{option.name} = {option.example}".rstrip()


def _comment(text: str) -> Iterator[str]:
    return (f"# {line}".rstrip() for line in text.splitlines())
