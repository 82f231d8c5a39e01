"""What a collector of events makes of a line: small parsers, strict as the texts that define the formats."""

from __future__ import annotations

import re

_NAME = r"[!#-<>-\\^-~]{1,32}"  # printable US-ASCII but =, blank, ], "
_VALUE = r'(?:[^"\\\]]|\\["\\\]]|\\(?!["\\\]]))*'
_ELEMENT = rf'\[{_NAME}(?: {_NAME}="{_VALUE}")*\]'
_MESSAGE = re.compile(
    r"<(?P<pri>0|[1-9]\d{0,2})>(?P<version>[1-9]\d{0,2})"
    r" (?P<at>-|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d))"
    r" (?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) (?P<proc>[!-~]{1,128}) (?P<msgid>[!-~]{1,32})"
    rf" (?P<data>-|(?:{_ELEMENT})+)(?: (?P<msg>.*))?",
    re.ASCII | re.DOTALL,
)


def syslog(line: str) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """A message by RFC 5424, section 6: the header's fields and `msg`, and the parameters of each element."""
    found = _MESSAGE.fullmatch(line)
    assert found is not None, f"not RFC 5424: {line!r}"
    assert int(found["pri"]) <= 191
    elements: dict[str, dict[str, str]] = {}
    for element in re.findall(_ELEMENT, found["data"]):
        name = re.match(_NAME, element[1:])
        assert name is not None
        assert name[0] not in elements, "an element may stand once"
        params = re.findall(rf'({_NAME})="({_VALUE})"', element[1 + len(name[0]) :])
        elements[name[0]] = {key: re.sub(r'\\(["\\\]])', r"\1", value) for key, value in params}
    return {key: value or "" for key, value in found.groupdict().items()}, elements


def octets(stream: bytes) -> list[str]:
    """The messages of a stream that is framed by octet counting."""
    found: list[str] = []
    while stream:
        length, _, rest = stream.partition(b" ")
        assert re.fullmatch(rb"[1-9]\d*", length)
        assert len(rest) >= int(length)
        found.append(rest[: int(length)].decode())
        stream = rest[int(length) :]
    return found


def cef(line: str) -> tuple[list[str], dict[str, str]]:
    """The header's seven fields, and the extension."""
    assert "\n" not in line
    assert "\r" not in line
    *header, extension = _fields(line)
    assert (len(header), header[0]) == (7, "CEF:0")
    keys = list(re.finditer(r"(?:^| )([A-Za-z0-9]+)=", extension))
    found: dict[str, str] = {}
    for key, following in zip(keys, [*keys[1:], None], strict=True):
        raw = extension[key.end() : following.start() if following else None]
        assert re.fullmatch(r"(?:[^\\=]|\\[\\=nr])*", raw), f"not escaped: {raw!r}"
        assert key[1] not in found
        found[key[1]] = re.sub(r"\\([\\=nr])", lambda one: {"n": "\n", "r": "\r"}.get(one[1], one[1]), raw)
    return header, found


def _fields(line: str) -> list[str]:
    """Seven fields that may hold escaped pipes, and what is behind them."""
    found = re.match(r"((?:(?:[^|\\]|\\[|\\])*\|){7})(.*)", line, re.DOTALL)
    assert found is not None, f"not CEF: {line!r}"
    fields = re.findall(r"((?:[^|\\]|\\[|\\])*)\|", found[1])
    return [*(re.sub(r"\\([|\\])", r"\1", field) for field in fields), found[2]]
