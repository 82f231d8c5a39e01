"""A snapshot as JSON's types and back, so that a journal can keep it.

Reading is tolerant of fields that a newer version added and of faults that it invented; a document that is
not a snapshot at all raises ValueError.
"""

from __future__ import annotations

import types
import typing
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any

from states.faults import Fault, fault_named
from states.state import Snapshot, State

Json = dict[str, Any]


def remember(snapshot: Snapshot) -> Json:
    """The snapshot as a JSON object; what is at its default is left out."""
    document: Json = _dump(snapshot)
    return document


def recall(document: Json) -> Snapshot:
    """The snapshot that `remember` wrote. Raises ValueError for anything else."""
    try:
        found: Snapshot = _load(Snapshot, document)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        message = f"this is no stored snapshot: {error}"
        raise ValueError(message) from error
    return found


def _dump(value: Any) -> Any:
    if isinstance(value, Fault):
        return value.code
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return [_dump(item) for item in value]
    if is_dataclass(value):
        pairs = ((field, getattr(value, field.name)) for field in fields(value))
        return {field.name: _dump(item) for field, item in pairs if item != field.default}
    return value


@cache
def _types(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _load(kind: Any, value: Any) -> Any:
    if typing.get_origin(kind) is types.UnionType:
        return None if value is None else _load(typing.get_args(kind)[0], value)
    if typing.get_origin(kind) is tuple:
        return tuple(_load(typing.get_args(kind)[0], item) for item in value)
    if kind is Fault:
        return fault_named(value)
    if kind is State:
        return State(value)
    if kind is datetime:
        return datetime.fromisoformat(value)
    if is_dataclass(kind) and isinstance(kind, type):
        known = _types(kind)
        return kind(**{name: _load(known[name], item) for name, item in value.items() if name in known})
    return value
