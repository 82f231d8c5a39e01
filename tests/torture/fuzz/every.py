"""Every target, and one that is all of them: the first byte says which."""

from __future__ import annotations

from tests.torture.fuzz import answered, asked, configured, stored
from tests.torture.fuzz.target import Target

GROUPS = {
    "configured": configured.TARGETS,
    "answered": answered.TARGETS,
    "asked": asked.TARGETS,
    "stored": stored.TARGETS,
}
EVERY = tuple(target for targets in GROUPS.values() for target in targets)


def _any(data: bytes) -> None:
    EVERY[(data or b"\0")[0] % len(EVERY)](data[1:])


TARGETS = (
    Target(
        name="every",
        what="all of these by turns",
        meets=_any,
        seeds=tuple(bytes([number]) + seed for number, one in enumerate(EVERY) for seed in one.seeds[:6]),
    ),
)
