"""The two generated parts of docs/troubleshooting.md: every fault, and every other problem that a site can have.

The part before them is written by hand; the marks are kept.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from daemon import engine
from states import Fault, problems
from tests.reference.fault_words import SEEN
from tests.reference.markdown import code, table
from tests.states.test_health import CASES, LONG_AFTER

OF_THE_PROCESS: Final[dict[str, tuple[str, str]]] = {
    "journal-not-writable": ("error", "The database cannot be written: full, read-only, gone, or damaged."),
    "configuration-rejected": (
        "error; of `[daemon]` a warning",
        "The configuration has errors, each with file and line.",
    ),
    "vault-locked": ("error", "The vault's key is missing or does not fit."),
    "audit-forward-failing": ("warning", "The receiver of audit records cannot be reached, or refuses them."),
    "audit-checkpoint-failing": ("warning", "No signed checkpoint of the audit trail can be written."),
    "audit-pruning-failing": ("warning", "Old records of the audit trail cannot be pruned."),
    "keys-not-wiped": ("warning", "Keys that were ended still lie in the database's files."),
}
"""What only the running daemon knows. Their remedies come from the source."""
_MAKERS: Final = frozenset({"Problem", "LastingProblem"})


def faults() -> list[str]:
    """The table of every fault."""
    head = ("Code", "What is wrong", "Turn", "What to do")
    rows = ((code(fault.code), SEEN[fault], _turn(fault), fault.remedy) for fault in Fault)
    return table(head, rows)


def other_problems() -> list[str]:
    """The table of what is no fault of an attempt, as examples."""
    return table(("Code", "Severity", "For example", "What to do"), sorted(_problems()))


def process_codes() -> dict[str, str]:
    """The remedy of every problem that the engine makes itself, by its code, as the sources have it."""
    files = Path(engine.__file__).parent.glob("*.py")
    calls = [node for path in files for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    made = [call for call in calls if isinstance(call, ast.Call) and ast.unparse(call.func) in _MAKERS]
    found = {_word(call, "code"): _word(call, "remedy") for call in made}
    return {name: remedy for name, remedy in found.items() if name}


def _word(call: ast.Call, name: str) -> str:
    """The text of an argument, by name or as the first one; empty where it is put together only then."""
    named = [word.value for word in call.keywords if word.arg == name]
    (value,) = named or (call.args[:1] if name == "code" else [ast.Constant("")])
    return str(value.value) if isinstance(value, ast.Constant) else ""


def rewritten(text: str) -> str:
    """The page with its generated parts as they have to be."""
    for mark, lines in (("faults", faults()), ("problems", other_problems())):
        begin, end = f"<!-- {mark}: begin -->\n", f"<!-- {mark}: end -->\n"
        before, _, rest = text.partition(begin)
        _, found, after = rest.partition(end)
        assert found, f"the page has lost its mark {mark}"
        table_text = "\n".join(lines[:-1])
        text = f"{before}{begin}{table_text}\n{end}{after}"
    return text


def _turn(fault: Fault) -> str:
    if fault.heals_by_itself:
        return "retries itself"
    return "yours; the sign-in is not tried again until it changes" if fault.refuses_credentials else "yours"


def _problems() -> Iterator[tuple[str, str, str, str]]:
    known = {fault.code for fault in Fault} - {"credentials-missing"}
    remedies = process_codes()
    for name, (_, _, _, story) in CASES.items():
        if name not in known:
            (found,) = (one for one in problems(story.now, at=LONG_AFTER) if one.code == name)
            yield code(name), found.severity, found.text, found.remedy
    for name, (severity, said) in OF_THE_PROCESS.items():
        if name in remedies and name not in CASES:
            yield code(name), severity, said, remedies[name] or "What its remedy says, by what was seen."
