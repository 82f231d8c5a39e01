"""A site's configuration as it is shown and changed from outside: plain values of `daemon.engine.operations`.

No value of a secret is in any of them but in `ConfigEdit.secrets`, on its way in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from daemon.ports import Secret

Key = tuple[str, str]
"""(section, option)."""

SecretForm = Literal["", "text", "file", "env", "credential", "keyring"]
"""How a secret is given: "" not at all, "text" in the configuration file itself, else by reference."""

WhenChanged = Literal["rebind", "apply", "restart"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionView:
    """One option of a site. `value` is what stands in the file, empty where nothing does, and for every secret.

    `default` is what counts where nothing is given. `fingerprint` is empty for what is no secret or cannot be resolved;
    `reference` is how the secret is referred to (`file:PATH`), empty for one that stands in the file itself.
    """

    section: str
    option: str
    value: str
    default: str
    given: bool
    secret: bool
    impact: WhenChanged
    meaning: str
    kind: SecretForm = ""
    reference: str = ""
    fingerprint: str = ""
    set_at: datetime | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldFinding:
    """What `check-config` says about an option; `option` and `section` are empty for the file as a whole."""

    section: str
    option: str
    line: int | None
    severity: Literal["error", "warning"]
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigView:
    """A site's configuration file. `managed` says why it cannot be written here, and is empty where it can."""

    site: str
    file: str
    etag: str
    managed: str
    options: tuple[OptionView, ...]
    findings: tuple[FieldFinding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigEdit:
    """A change of a site's file, made by who saw the version `etag`. What is not named stays as it is.

    `values`: None takes an option out, so that its default applies. `secrets`: a new text, or None to clear it.
    `references`: `env:NAME` and the like for a secret. `was`: what the editor saw, for the merge of a conflict; of a
    secret that is its fingerprint. An empty value is as good as None. No value shows in a `repr`: it may be misplaced.
    """

    etag: str
    values: Mapping[Key, str | None] = field(default_factory=dict, repr=False)
    secrets: Mapping[Key, Secret | None] = field(default_factory=dict, repr=False)
    references: Mapping[Key, str] = field(default_factory=dict, repr=False)
    was: Mapping[Key, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeLine:
    """One option of a conflict: what the editor saw, what stands in the file now, what the editor wants.

    A secret's three are words ("set", "not set", "a new one"), never its value. `conflict` when both sides changed it.
    """

    section: str
    option: str
    was: str
    theirs: str
    yours: str
    conflict: bool


class ConfigRejected(Exception):
    """The new text has errors; nothing was written. `findings` holds all, warnings too."""

    def __init__(self, findings: tuple[FieldFinding, ...]) -> None:
        super().__init__("the configuration would have errors; nothing was written")
        self.findings = findings


class ConfigChanged(Exception):
    """The file is not the one that the editor saw; nothing was written."""

    def __init__(self, view: ConfigView, merge: tuple[MergeLine, ...]) -> None:
        super().__init__("the configuration was changed meanwhile; nothing was written")
        self.view = view
        self.merge = merge


class ConfigManaged(Exception):
    """The file cannot be written here; `reason` is a sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ConfigNotWritten(Exception):
    """Writing failed, and the file is what it was; `reason` says why and what to do."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
