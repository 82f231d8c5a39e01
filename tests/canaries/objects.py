"""Every object of ours, as a debugger, an assertion or a log line would show it."""

from __future__ import annotations

import functools
import gc
import importlib
import pkgutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import is_dataclass
from types import ModuleType

import pytest

import daemon
import metrics
import states

_OURS = ("daemon.", "states.", "metrics.")


def _ours(kind: type) -> bool:
    module = getattr(kind, "__module__", "")
    return isinstance(module, str) and module.startswith(_OURS) and not module.startswith("daemon.sandbox")


def _modules() -> Iterator[ModuleType]:
    """All of them, also those that are imported only when they are needed."""
    for package in (daemon, states, metrics):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__") and not found.name.startswith("daemon.sandbox"):
                yield importlib.import_module(found.name)


def reprs(remembered: Iterable[object] = ()) -> dict[str, bytes | str]:
    """What every object that lives, and each of `remembered`, says of itself, by kind."""
    alive = [one for one in gc.get_objects() if _ours(type(one))]
    shown: defaultdict[str, list[str]] = defaultdict(list)
    for one in {id(one): one for one in (*alive, *remembered)}.values():
        shown[f"repr of {type(one).__module__}.{type(one).__qualname__}"] += [repr(one), str(one)]
    return {kind: "\n".join(lines) for kind, lines in shown.items()}


@contextmanager
def remembering() -> Iterator[list[object]]:
    """Keep every value and every error of ours that is made meanwhile, also what lives for one call only.

    Without it a leak would be found only where the garbage collector happened to be late.
    """
    remembered: list[object] = []

    def watched(make: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(make)
        def remember(self: object, *args: object, **options: object) -> None:
            make(self, *args, **options)
            remembered.append(self)

        return remember

    kinds = {kind for module in _modules() for kind in vars(module).values() if isinstance(kind, type) and _ours(kind)}
    made = [kind for kind in kinds if is_dataclass(kind) or issubclass(kind, BaseException)]
    with pytest.MonkeyPatch.context() as patch:
        for kind in (kind for kind in made if "__init__" in vars(kind)):
            patch.setattr(kind, "__init__", watched(vars(kind)["__init__"]))
        yield remembered
