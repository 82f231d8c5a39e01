"""What an edit means for a site's file: the lines to change, the secrets to store, what is told of it. Pure.

Used by `daemon.engine.editing`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from daemon.config import options, secret_files, values
from daemon.config.ini import SITE_SECTIONS
from daemon.config.options import Option
from daemon.config.problems import BadValue, Key, did_you_mean, presentable
from daemon.engine.config_document import ConfigFile, as_shown, source_of
from daemon.engine.config_views import ConfigEdit, ConfigView, FieldFinding, MergeLine, OptionView
from daemon.ports import Secret

NewName = Callable[[str, Key], str]

A_NEW_ONE = "a new one"
NOT_SET = "not set"

_REFERENCES = "write file:PATH, env:NAME, credential:NAME or keyring:SERVICE/USER"


@dataclass(slots=True)
class Plan:
    """`changes` of the file's text; `secrets` by the name of the file that takes them; `told` in the audit trail.

    No change shows in a `repr`: a secret may be misplaced.
    """

    changes: dict[Key, str | None] = field(default_factory=dict, repr=False)
    secrets: dict[str, Secret] = field(default_factory=dict, repr=False)
    told: list[dict[str, str]] = field(default_factory=list)
    findings: list[FieldFinding] = field(default_factory=list)

    def refuse(self, key: Key, text: str, remedy: str = "") -> None:
        """What is wrong with the edit itself."""
        section, option = key
        self.findings.append(
            FieldFinding(section=section, option=option, line=None, severity="error", text=text, remedy=remedy)
        )


def planned(site: str, edit: ConfigEdit, file: ConfigFile, *, new_name: NewName = secret_files.new_name) -> Plan:
    """The plan, with a finding for everything that cannot be asked for. What is so already is no change."""
    plan = Plan()
    for key, value in edit.values.items():
        if key == ("site", "id") and value == site:
            continue  # so it is, whether the file says it or not
        if (option := _known(plan, key)) is not None:
            _set_value(plan, option, value or None, file=file)
    for key, secret in edit.secrets.items():
        if (option := _known(plan, key)) is not None and _is_secret(plan, option):
            _set_secret(plan, option, secret, file=file, name=new_name(site, key))
    for key, text in edit.references.items():
        if (option := _known(plan, key)) is not None and _is_secret(plan, option):
            _set_reference(plan, option, text, file=file)
    return plan


def merged(edit: ConfigEdit, view: ConfigView) -> tuple[MergeLine, ...]:
    """Both sides of a conflict, option by option: those that either side changed."""
    wanted = _wishes(edit)
    lines: list[MergeLine] = []
    for shown in view.options:
        key = shown.section, shown.option
        if key not in wanted and key not in edit.was:
            continue
        theirs = _secret_words(shown.given, shown.fingerprint) if shown.secret else shown.value
        was = _was(edit, shown)
        yours = wanted.get(key, was)
        if was in (theirs, None) and yours in (theirs, None):
            continue
        conflict = key in wanted and was != theirs and yours not in (theirs, was)
        lines.append(
            MergeLine(
                section=shown.section,
                option=shown.option,
                was=was or "",
                theirs=theirs,
                yours=yours or "",
                conflict=conflict,
            )
        )
    return tuple(lines)


def _known(plan: Plan, key: Key) -> Option | None:
    section, name = key
    option = options.BY_KEY.get(key)
    shown = presentable(section), presentable(name)
    if section == "daemon":
        plan.refuse(shown, "is not changed through a site", "change [daemon] in its file; it is picked up by itself")
    elif section not in SITE_SECTIONS:
        plan.refuse(shown, "unknown section", "the sections are " + ", ".join(f"[{one}]" for one in SITE_SECTIONS))
    elif option is None:
        plan.refuse(shown, "unknown option", did_you_mean(section, name, SITE_SECTIONS) if shown[1] else "")
    else:
        return option
    return None


def _is_secret(plan: Plan, option: Option) -> bool:
    if option.kind != "secret":
        plan.refuse(option.key, "is no secret", "give its value as text")
    return option.kind == "secret"


def _set_value(plan: Plan, option: Option, value: str | None, *, file: ConfigFile) -> None:
    if option.kind == "secret" and value is not None:
        plan.refuse(option.key, "is a secret, and is not set as a plain value", "give it as a secret or by reference")
        return
    if option.kind == "secret":
        _set_secret(plan, option, None, file=file, name="")
        return
    before = file.texts.get(option.key)
    wanted = None if value is None else as_shown(option, value.replace("\r\n", "\n"))
    if wanted == (None if before is None else as_shown(option, before)) or (wanted is None and not before):
        return
    if option.key == ("site", "id"):
        plan.refuse(option.key, "is the site's name in the API and the audit trail", "change it in the file by hand")
        return
    plan.changes[option.key] = wanted
    plan.told.append(_entry(option) | {"from": _safe(option, before), "to": _safe(option, wanted)})


def _set_secret(plan: Plan, option: Option, secret: Secret | None, *, file: ConfigFile, name: str) -> None:
    if secret is None:
        if option.key in file.texts:
            plan.changes[option.key] = None
            plan.told.append(_entry(option) | {"secret": "cleared"})
        return
    if why := secret_files.why_not(secret):
        plan.refuse(option.key, why, "a secret is one line of text")
        return
    plan.secrets[name] = secret
    plan.changes[option.key] = secret_files.reference(name)
    plan.told.append(_entry(option) | {"secret": "replaced" if option.key in file.texts else "set"})


def _set_reference(plan: Plan, option: Option, text: str, *, file: ConfigFile) -> None:
    """What is written is never repeated unless it is a reference: it may be the secret itself."""
    wanted = text.strip()
    source = source_of(wanted, file.path.parent)
    if source is None or not source.where:
        plan.refuse(option.key, "is not a reference to a secret", _REFERENCES)
    elif file.texts.get(option.key) != wanted:
        plan.changes[option.key] = wanted
        plan.told.append(_entry(option) | {"secret": wanted})


def _entry(option: Option) -> dict[str, str]:
    return {"section": option.section, "option": option.name}


def _safe(option: Option, text: str | None) -> str:
    """A value as the audit trail holds it for ever: not where it is no good one, for then it may be anything."""
    if not text:
        return ""
    try:
        values.parse(option, text, folder=Path())
    except BadValue:
        return "(not usable)"
    return as_shown(option, text)


def _wishes(edit: ConfigEdit) -> Mapping[Key, str]:
    plain = {key: value or "" for key, value in edit.values.items()}
    new = {key: NOT_SET if secret is None else A_NEW_ONE for key, secret in edit.secrets.items()}
    return {**plain, **new, **edit.references}


def _was(edit: ConfigEdit, shown: OptionView) -> str | None:
    """What the editor saw; None where nobody said it. Of a secret that is its fingerprint."""
    was = edit.was.get((shown.section, shown.option))
    if was is None:
        return None
    if shown.secret:
        return _secret_words(shown.given if was == shown.fingerprint else was, was)
    # A form shows the default where nothing is given, and that is what its reader saw.
    return "" if was == shown.default and not shown.given else was


def _secret_words(given: object, fingerprint: str) -> str:
    if not given:
        return NOT_SET
    return f"set, fingerprint {fingerprint}" if fingerprint else "set"
