"""How long to wait before the next attempt. Chance is an argument."""

from __future__ import annotations

MOST_DOUBLINGS = 16


def delay_before(failures: int, *, chance: float, first: float, ceiling: float) -> float:
    """Seconds to wait after `failures` in a row; `chance` in [0, 1).

    Full jitter: uniform between 0 and the capped delay. The jitter comes after the cap, or every waiting
    site would wait the same time once the cap is reached.
    """
    capped = min(ceiling, first * 2.0 ** min(max(failures, 1) - 1, MOST_DOUBLINGS))
    return chance * capped
