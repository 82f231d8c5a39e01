"""The `$filter` and `$search` of Graph, as far as a directory is looked through with them: text to a test of objects.

    condition   = term *( "or" term )
    term        = factor *( "and" factor )
    factor      = "not" factor / "(" condition ")" / function / any / comparison
    comparison  = property ( "eq" / "ne" ) literal / property "in" "(" literal *( "," literal ) ")"
    function    = ( "startswith" / "endswith" ) "(" property "," literal ")"
    any         = property "/any(" name ":" comparison-or-function-of-name ")"

Operators that Graph counts as advanced are told apart: they need `ConsistencyLevel: eventual` and `$count=true`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from daemon.sandbox.graph_failures import bad_request
from daemon.sandbox.graph_kinds import Kind

Test = Callable[[Any], bool]
Read = Callable[[Any], Any]

_TOKEN: Final = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<word>[A-Za-z][A-Za-z0-9]*)|(?P<mark>[(),:/]))")
_CLAUSE: Final = re.compile(r'\s*"(?P<property>[A-Za-z]+):(?P<wanted>[^"]*)"\s*(?P<joint>OR|AND)?')
_CONSTANTS: Final = {"true": True, "false": False, "null": None}
_FUNCTIONS: Final[dict[str, Callable[[str, str], bool]]] = {"startswith": str.startswith, "endswith": str.endswith}
_PREFIXED: Final = "proxyAddresses"


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition, and whether it is an advanced one."""

    holds: Test
    advanced: bool = False


def parse_filter(text: str, kind: Kind) -> Condition:
    """Read a `$filter`; refuses with 400 what is malformed or names an unknown property."""
    return _Parser(text, kind).parse()


def parse_search(text: str, kind: Kind) -> Condition:
    """Read a `$search`: clauses `"property:words"` with OR or AND between them, read from the left."""
    place, joint, found = 0, "", None
    while place < len(text.rstrip()):
        match = _CLAUSE.match(text, place)
        if match is None or (found is not None and not joint):
            bad_request(f"Syntax error at position {place} of the search clause.")
        clause = _clause(match["property"], match["wanted"], kind)
        found = clause if found is None else _joined(found, clause, joint=joint)
        place, joint = match.end(), match["joint"] or ""
    if found is None or joint:
        bad_request("The search clause is incomplete.")
    return Condition(found, advanced=True)


def _clause(name: str, wanted: str, kind: Kind) -> Test:
    read, sought = _property(name, kind), fold(wanted, kind_of_value=name)
    return lambda item: any(word.startswith(sought) for word in _words(read(item), name))


def _words(value: Any, name: str) -> list[str]:
    texts = value if isinstance(value, list) else [value or ""]
    folded = [fold(text, kind_of_value=name) for text in texts]
    return [*folded, *(word for text in folded for word in re.split(r"[\s@.:]+", text))]


def _joined(one: Test, other: Test, *, joint: str) -> Test:
    if joint == "OR":
        return lambda item: one(item) or other(item)
    return lambda item: one(item) and other(item)


def _property(name: str, kind: Kind) -> Read:
    read = kind.properties.get(name)
    if read is None:
        bad_request(f"Could not find a property named '{name[:60]}' on type '{kind.odata_type}'.")
    return read


def fold(value: Any, *, kind_of_value: str) -> Any:
    """Make values comparable: texts without regard to case.

    [gap] ours: the prefix of a proxy address counts as it is written, so that who wants primary addresses and
    aliases both has to ask for `SMTP:` and `smtp:`; the real service is said to be kinder for some operators.
    """
    if not isinstance(value, str):
        return value
    prefix, colon, rest = value.partition(":")
    if kind_of_value == _PREFIXED and colon:
        return f"{prefix}:{rest.casefold()}"
    return value.casefold()


class _Parser:
    """Reads one filter from left to right."""

    def __init__(self, text: str, kind: Kind) -> None:
        self._kind = kind
        self._tokens = _tokens(text)
        self._place = 0
        self._advanced = False

    def parse(self) -> Condition:
        holds = self._condition()
        if self._place < len(self._tokens):
            self._refuse()
        return Condition(holds, advanced=self._advanced)

    def _condition(self) -> Test:
        found = self._term()
        while self._skip("or"):
            found = _joined(found, self._term(), joint="OR")
        return found

    def _term(self) -> Test:
        found = self._factor()
        while self._skip("and"):
            found = _joined(found, self._factor(), joint="AND")
        return found

    def _factor(self) -> Test:
        if self._skip("not"):
            self._advanced = True
            inner = self._factor()
            return lambda item: not inner(item)
        if self._skip("("):
            found = self._condition()
            self._demand(")")
            return found
        word = self._word()
        if word in _FUNCTIONS:
            return self._function(word, self._read_property)
        if self._skip("/"):
            return self._any(word)
        return self._comparison(_property(word, self._kind), word)

    def _read_property(self) -> tuple[Read, str]:
        name = self._word()
        return _property(name, self._kind), name

    def _any(self, name: str) -> Test:
        read = _property(name, self._kind)
        self._demand("any")
        self._demand("(")
        variable = self._word()
        self._demand(":")
        inner = self._of_variable(variable, name)
        self._demand(")")
        return lambda item: any(inner(value) for value in read(item) or ())

    def _of_variable(self, variable: str, name: str) -> Test:
        def value() -> tuple[Read, str]:
            self._demand(variable)
            return (lambda one: one), name

        word = self._word()
        if word in _FUNCTIONS:
            return self._function(word, value)
        if word != variable:
            self._refuse()
        return self._comparison(lambda one: one, name)

    def _function(self, function: str, operand: Callable[[], tuple[Read, str]]) -> Test:
        self._demand("(")
        read, name = operand()
        self._demand(",")
        wanted = fold(self._literal(), kind_of_value=name)
        self._demand(")")
        self._advanced |= function == "endswith"
        if not isinstance(wanted, str):
            self._refuse()
        compare = _FUNCTIONS[function]
        return lambda item: compare(fold(read(item) or "", kind_of_value=name), wanted)

    def _comparison(self, read: Read, name: str) -> Test:
        operator = self._word()
        if operator == "in":
            several = self._literals(name)
            return lambda item: fold(read(item), kind_of_value=name) in several
        if operator not in {"eq", "ne"}:
            self._refuse()
        wanted = fold(self._literal(), kind_of_value=name)
        if operator == "eq":
            return lambda item: fold(read(item), kind_of_value=name) == wanted
        self._advanced = True
        return lambda item: fold(read(item), kind_of_value=name) != wanted

    def _literals(self, name: str) -> tuple[Any, ...]:
        self._demand("(")
        found = [fold(self._literal(), kind_of_value=name)]
        while self._skip(","):
            found.append(fold(self._literal(), kind_of_value=name))
        self._demand(")")
        return tuple(found)

    def _literal(self) -> Any:
        token = self._next()
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        if token not in _CONSTANTS:
            self._refuse()
        return _CONSTANTS[token]

    def _word(self) -> str:
        token = self._next()
        if not token[0].isalpha():
            self._refuse()
        return token

    def _next(self) -> str:
        if self._place >= len(self._tokens):
            self._refuse()
        self._place += 1
        return self._tokens[self._place - 1]

    def _skip(self, token: str) -> bool:
        """Pass over the token if it is the next one."""
        if self._place < len(self._tokens) and self._tokens[self._place] == token:
            self._place += 1
            return True
        return False

    def _demand(self, token: str) -> None:
        if not self._skip(token):
            self._refuse()

    def _refuse(self) -> NoReturn:
        bad_request(f"Invalid filter clause: syntax error near token {self._place}.")


def _tokens(text: str) -> list[str]:
    found, place = [], 0
    stripped = text.rstrip()
    while place < len(stripped):
        match = _TOKEN.match(stripped, place)
        if match is None:
            bad_request(f"Invalid filter clause: syntax error at position {place}.")
        found.append(match[0].strip())
        place = match.end()
    return found
