"""atheris, guided by coverage, against everything that reads what others wrote: a process of its own each.

A parser fails when it raises what it does not document, or needs more than twenty seconds for one small input.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.acceptance.processes import Said, run
from tests.torture.figures import Figure
from tests.torture.fuzz.every import GROUPS, TARGETS
from tests.torture.fuzz.target import Target

LONG, BOUNDED = 20_000, 3_000
SLOW = {"ini": 2, "edit": 4, "web-config": 4, "ldap": 2, "backup": 4, "body": 2}
"""Where one run is long: so many times fewer."""


def figures(*, long: bool) -> Iterator[Figure]:
    """Run every target, or all of them as one in the short form; raises for a crash or a hang, with the input."""
    for group, targets in GROUPS.items() if long else (("every", TARGETS),):
        for target in targets:
            runs = LONG // SLOW.get(target.name, 1) if long else BOUNDED
            done, covered = fuzzed(group, target, runs)
            yield Figure(what=f"atheris: {target.what}", amount=f"{done:,} runs", found=f"no crash, no hang; {covered}")


def fuzzed(group: str, target: Target, runs: int) -> tuple[int, str]:
    """How many runs there were, and what they covered."""
    with TemporaryDirectory(prefix="sitebind-fuzz-") as folder:
        here = Path(folder) / "run"
        command = [sys.executable, "-m", "tests.torture.fuzz", group, target.name, str(runs), here]
        # libFuzzer ends the process at once: what a target keeps in a folder of its own is removed with this one.
        said = run(command, within=7200, env={"TMPDIR": folder})
        found = sorted(path for path in here.iterdir() if path.is_file())
        assert said.code == 0, _story(target, said, found)
    done = re.search(r"^Done (\d+) runs", said.err, re.MULTILINE)
    covered = re.findall(r"cov: (\d+) ft: \d+ corp: (\d+)/", said.err)
    assert done, said.err[-4000:]
    assert covered, said.err[-4000:]
    return int(done[1]), f"{covered[-1][0]} branches seen by {covered[-1][1]} inputs"


def _story(target: Target, said: Said, found: list[Path]) -> str:
    inputs = "\n".join(f"{path.name}: {path.read_bytes()!r}" for path in found)
    return f"{target.name} ended with {said.code}\n{inputs}\n{said.out[-3000:]}\n{said.err[-3000:]}"
