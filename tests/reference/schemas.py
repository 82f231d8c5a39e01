"""JSON schemas of the description as tables of fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.reference.markdown import anchor, code, codes

Schema = Mapping[str, Any]

_FEW: Final = 1
"""An object with no more fields is shown in the cell itself."""


def kind(schema: Schema) -> str:
    """What a value is, in words: a link where it is an object of its own."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{anchor(name)})"
    if "const" in schema:
        return code(_json(schema["const"]))
    if "enum" in schema:
        return codes(map(_json, schema["enum"]))
    for several in ("oneOf", "allOf"):
        if several in schema:
            return (" or " if several == "oneOf" else " and ").join(kind(one) for one in schema[several])
    return _typed(schema)


def fields(schema: Schema, *, before: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Each field: its place, what it is, whether it is always there, what it says."""
    if schema.get("type") == "array":
        yield from _within(schema, before)
    for part in schema.get("allOf", ()):
        yield from fields(part, before=before)
    required = schema.get("required", ())
    for name, inner in schema.get("properties", {}).items():
        place = f"{before}{name}"
        yield code(place), kind(inner), "yes" if name in required else "no", inner.get("description", "")
        yield from _within(inner, place)


def _within(schema: Schema, place: str) -> Iterator[tuple[str, str, str, str]]:
    """The fields of an object that stands in its place alone and has no name."""
    if schema.get("type") == "array":
        schema, place = schema["items"], f"{place}[]"
    for inner in (schema, *schema.get("oneOf", ())):
        if len(inner.get("properties", ())) > _FEW:
            yield from fields(inner, before=f"{place}.")


def _typed(schema: Schema) -> str:
    match schema.get("type"):
        case "array":
            return f"list of {kind(schema['items'])}"
        case list() as types:
            return " or ".join(types)
        case "object" if isinstance(schema.get("additionalProperties"), Mapping):
            return f"object of {kind(schema['additionalProperties'])}"
        case "object" if 0 < len(schema.get("properties", ())) <= _FEW:
            return ", ".join(f"{code(name)}: {kind(inner)}" for name, inner in schema["properties"].items())
        case str() as one:
            return f"{one}{_limits(schema)}"
        case _:
            return "any"


def _limits(schema: Schema) -> str:
    said = [schema["format"]] if "format" in schema else []
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None:
        said.append(f"{low} to {high}" if high is not None else f"from {low}")
    if "maxLength" in schema:
        said.append(f"at most {schema['maxLength']} characters")
    return f" ({', '.join(said)})" if said else ""


def _json(value: object) -> str:
    return '""' if value == "" else str(value)
