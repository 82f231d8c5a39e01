"""`python -m tests.torture.fuzz GROUP NAME RUNS FOLDER`: one target under atheris, in this process, which ends here.

`GROUP` is a module beside this one. What it imports is instrumented, which takes longer than most runs.

`FOLDER` takes the corpus; the input that a target did not survive is written beside it, as `crash-…` or `timeout-…`.
"""

from __future__ import annotations

import importlib
import resource
import sys
from pathlib import Path

import atheris

SECONDS = 20
"""A run that takes longer hangs. Generous: others use the machine too."""
LONGEST = 4096
MEMORY = 1 << 30
"""Bytes of address space beyond what the target's own imports take. libFuzzer's own limit is not used: it reads
ru_maxrss, which on Linux a child inherits from its parent, so that a large test run would count as the parser's."""


def main() -> None:
    """Run it; libFuzzer ends the process with its own exit code."""
    group, name, runs, folder = sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])
    with atheris.instrument_imports(include=["daemon", "metrics", "states"], enable_loader_override=False):
        targets = importlib.import_module(f"tests.torture.fuzz.{group}").TARGETS
    _limit_memory()
    target = next(one for one in targets if one.name == name)
    corpus = folder / "corpus"
    corpus.mkdir(parents=True)
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = (f"-runs={runs}", f"-timeout={SECONDS}", f"-max_len={LONGEST}", "-seed=1", "-rss_limit_mb=0")
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={folder}/", str(corpus)], target)
    atheris.Fuzz()


def _limit_memory() -> None:
    """A parser that takes more fails with MemoryError, which no documentation of ours allows."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    main()
