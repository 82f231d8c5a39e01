"""Two findings that many rules share: an option that another one demands, and two that contradict each other."""

from __future__ import annotations

from typing import Final

from daemon.config.form import Form
from daemon.config.options import BY_KEY
from daemon.config.problems import Key

NOT_SET: Final = "is not set"


def missing(form: Form, key: Key, *, because: Key, value: str = "yes") -> None:
    """An option that another one demands."""
    if form.meant(key):
        return
    shown = because[1] if BY_KEY[because].kind in {"text", "secret", "path", "host"} else f"{because[1]} = {value}"
    form.findings.error(key, f"{NOT_SET}, and {shown} needs it", near=[because])


def clash(form: Form, key: Key, text: str, *, near: Key, hint: str = "") -> None:
    """An option that contradicts what stands at `near`."""
    form.findings.error(key, text, hint=hint, near=[near])
