"""`make audit`: are our pins known to be vulnerable? It never says that they are well where nobody could be asked.

Exit codes: 0 every pin was asked about and none is known to be vulnerable; 1 some are; 3 no answer was had for some.
With --tell the last is told and exits 0, for CI: docs/decisions/0003-dependency-audit.md says why.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LISTS = ("runtime.txt", "kerberos.txt", "opentelemetry.txt", "dev.txt", "supply.txt", "bench.txt")
"""What users install, and the tools: in their list stand the extras keyring and negotiate."""
WELL, VULNERABLE, UNANSWERED = 0, 1, 3


def main() -> int:
    """Ask about every list; the exit code."""
    answers = [(name, asked(name)) for name in LISTS]
    for name in LISTS:
        print(f"{name}: locked {age(HERE / name)}")
    found = [line for name, answer in answers for line in vulnerable(name, answer)]
    silent = [line for name, answer in answers for line in unanswered(name, answer)]
    for line in found:
        print(line)
    if silent:
        print(
            f"NOT AUDITED: {len(silent)} pins, the first: {silent[0]}. This says nothing about whether they are well."
        )
        print("  Run make audit where the package index answers about vulnerabilities, before a release.")
    if found:
        return VULNERABLE
    if not silent:
        print("No known vulnerability in any pin.")
    return UNANSWERED if silent and "--tell" not in sys.argv else WELL


def asked(name: str) -> Mapping[str, Any] | str:
    """pip-audit's answer about a list, or its last words where it gives none."""
    said = subprocess.run(
        [sys.executable, "-m", "pip_audit", "--disable-pip", "--no-deps", "--require-hashes", "--progress-spinner=off",
         "--format=json", f"--requirement={HERE / name}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    try:
        answer: Mapping[str, Any] = json.loads(said.stdout)
    except ValueError:
        return (said.stderr.strip().splitlines() or ["it says nothing"])[-1]
    return answer


def vulnerable(name: str, answer: Mapping[str, Any] | str) -> Iterator[str]:
    """A line for each known vulnerability."""
    for pin in () if isinstance(answer, str) else answer["dependencies"]:
        for one in pin.get("vulns", ()):
            mended = ", ".join(one["fix_versions"]) or "no version yet"
            yield f"{name}: {pin['name']} {pin['version']}: {one['id']}; mended in {mended}"


def unanswered(name: str, answer: Mapping[str, Any] | str) -> Iterator[str]:
    """A line for each pin about which nothing was heard."""
    if isinstance(answer, str):
        yield f"{name}: all of it ({answer})"
        return
    for pin in answer["dependencies"]:
        if "skip_reason" in pin:
            yield f"{name}: {pin['skip_reason']}"


def age(path: Path) -> str:
    """How long ago a list was last changed, as git knows it: what is pinned long ago has had time to be found bad."""
    command = ["git", "log", "-1", "--format=%ct", "--", path.name]
    said = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False).stdout.strip()
    if not said:
        return "at an unknown time (no git here, or it is not committed)"
    at = datetime.fromtimestamp(int(said), UTC)
    return f"{(datetime.now(UTC) - at).days} days ago, on {at:%Y-%m-%d}"


if __name__ == "__main__":
    sys.exit(main())
