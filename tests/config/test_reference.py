"""The example file and the usual places of a configuration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from daemon.config import locate, options, values
from daemon.config.ini import all_problems, read_config
from daemon.config.model import DaemonSettings, SiteSettings
from daemon.config.reference import entry, example_file

EXAMPLE = Path(__file__).resolve().parents[2] / "config.example.ini"


def test_the_example_file_is_what_the_table_says() -> None:
    """After a change of the table, write `daemon.config.reference.example_file()` to it anew."""
    assert EXAMPLE.read_text(encoding="utf-8") == example_file()


def test_the_example_file_is_free_of_findings() -> None:
    """Not even a warning, without any secret being there."""
    reading = read_config(EXAMPLE)
    assert [str(problem) for problem in all_problems(reading)] == []
    assert reading.sites[0].settings is not None


def test_the_example_file_has_every_option_with_its_default_and_impact() -> None:
    """Read from the file itself, by a person's eyes: the comment above each option."""
    paragraphs = EXAMPLE.read_text(encoding="utf-8").split("\n\n")
    section, documented = "", {}
    for lines in (paragraph.splitlines() for paragraph in paragraphs):
        if lines[-1].startswith("["):
            section = lines[-1].strip("[]")
        elif "=" in lines[-1]:
            documented[section, lines[-1].lstrip("#").split("=")[0].strip()] = lines[-2]
    words = {"rebind": "binds anew", "applied": "applied at once", "needs_restart": "needs a restart"}
    assert documented.keys() == options.BY_KEY.keys()
    for key, comment in documented.items():
        option = options.BY_KEY[key]
        assert f"Default: {option.default or 'not set'}." in comment
        assert words[option.impact.value] in comment


@pytest.mark.parametrize("option", options.OPTIONS, ids=lambda option: "-".join(option.key))
def test_a_written_default_means_the_same_as_an_absent_option(option: options.Option) -> None:
    """The table's text and the model's value cannot drift apart."""
    if option.section in {"daemon", "site"}:
        owner: object = DaemonSettings() if option.section == "daemon" else SiteSettings()
    else:
        owner = getattr(SiteSettings(), option.section)
    if option.name == "listen":
        assert values.parse(option, option.default, folder=Path()) == (DaemonSettings().host, DaemonSettings().port)
    elif option.default:
        assert values.parse(option, option.default, folder=Path()) == getattr(owner, option.name)
    else:
        assert getattr(owner, option.name) in ("", 0, None, ())


def test_long_help_is_wrapped_into_comments() -> None:
    """Every line but the last one is a comment, and none is too long to read."""
    option = replace(options.OPTIONS[0], help="word " * 60, unit="words", example="x")
    *comments, line = entry(option)
    assert line == "id = x"
    assert len(comments) > 3
    assert all(text.startswith("# ") and len(text) <= 140 for text in comments)


def test_the_configuration_is_looked_for_in_its_usual_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is named wins, even if it is not there; else the first place that exists."""
    system = tmp_path / "etc.ini"
    monkeypatch.setattr(locate, "SYSTEM", system)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(locate.NoConfiguration, match=r"neither \./config.ini nor .*etc.ini exists; name one with"):
        locate.find_config(None, {"SITEBIND_CONFIG": ""})
    system.touch()
    assert locate.find_config(None, {}) == system
    (tmp_path / "config.ini").touch()
    assert locate.find_config(None, {}) == Path("config.ini")
    assert locate.find_config(None, {"SITEBIND_CONFIG": "gone.ini"}) == Path("gone.ini")
    assert locate.find_config(Path("named.ini"), {"SITEBIND_CONFIG": "gone.ini"}) == Path("named.ini")
