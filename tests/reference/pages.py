"""Every page that is written from the program, and the whole of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tests.reference import api, commands, configuration, events, metrics, troubleshooting

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
TROUBLESHOOTING: Final = DOCS / "troubleshooting.md"


def _troubleshooting() -> str:
    return troubleshooting.rewritten(TROUBLESHOOTING.read_text(encoding="utf-8"))


PAGES: Final[Mapping[Path, Callable[[], str]]] = {
    DOCS / "reference" / "configuration.md": configuration.text,
    DOCS / "reference" / "commands.md": commands.text,
    DOCS / "reference" / "api.md": api.text,
    DOCS / "reference" / "metrics.md": metrics.text,
    DOCS / "reference" / "audit-events.md": events.text,
    TROUBLESHOOTING: _troubleshooting,
}
