"""Editing a file: the option changes, every other line stays byte for byte, and our own reader sees what was meant."""

from __future__ import annotations

import codecs
import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.config import edit
from daemon.config.edit import Uneditable, edited, values_of
from daemon.config.options import OPTIONS
from daemon.config.reference import example_file

SITE_OPTIONS = [option for option in OPTIONS if option.section != "daemon"]
DISPLAY, ADDRESS, SERVER = ("site", "display_name"), ("account", "smtp_address"), ("directory", "server")


def changed(text: str, changes: dict[tuple[str, str], str | None]) -> str:
    return edited(text.encode(), changes).decode()


def lines_that_differ(before: str, after: str) -> tuple[list[str], list[str]]:
    """Lines that went, and lines that came, when whole documents are compared as sequences."""
    diff = list(difflib.ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True)))
    return [line[2:] for line in diff if line.startswith("- ")], [line[2:] for line in diff if line.startswith("+ ")]


# --- where it goes -------------------------------------------------------------------------------


def test_an_option_that_is_there_changes_in_its_line() -> None:
    text = "# top\n[account]\n# about\nsmtp_address = a@b.c\n\n; end\nclient_id = x\n"
    assert changed(text, {ADDRESS: "new@b.c"}) == text.replace("a@b.c", "new@b.c")


def test_an_option_of_the_example_goes_below_the_line_that_shows_it() -> None:
    before = example_file()
    went, came = lines_that_differ(before, changed(before, {("connection", "proxy_host"): "proxy.example"}))
    assert (went, came) == ([], ["proxy_host = proxy.example\n"])
    after = changed(before, {("connection", "proxy_host"): "proxy.example"})
    assert "#proxy_host =\nproxy_host = proxy.example\n" in after


def test_an_option_that_is_new_goes_behind_its_neighbour_in_the_documentation() -> None:
    text = "[account]\nsmtp_address = a@b.c\n\n# identity\ntenant_id = t\n\n[binding]\nemail = x@y.z\n"
    after = changed(text, {("account", "client_id"): "c", ("account", "directory_type"): "microsoft-365-directory"})
    assert after == text.replace("tenant_id = t\n", "tenant_id = t\nclient_id = c\n").replace(
        "a@b.c\n", "a@b.c\ndirectory_type = microsoft-365-directory\n"
    )


def test_an_option_that_comes_before_all_others_goes_to_the_top_of_its_section() -> None:
    text = "[account]\n# the id of the app\nclient_id = c\n"
    assert changed(text, {ADDRESS: "a@b.c"}) == text.replace("[account]\n", "[account]\nsmtp_address = a@b.c\n")


@pytest.mark.parametrize("text", ["[site]", "[site]\n", "[site]\n\n", "[site]\n# nothing yet\n"])
def test_an_empty_section_takes_its_first_option(text: str) -> None:
    after = changed(text, {DISPLAY: "New"})
    assert after.startswith("[site]\ndisplay_name = New\n")
    assert after.replace("display_name = New\n", "").strip() == text.strip()


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", "[site]\ndisplay_name = New\n"),
        ("# only words", "# only words\n\n[site]\ndisplay_name = New\n"),
        ("[account]\nsmtp_address = a@b.c\n", "[account]\nsmtp_address = a@b.c\n\n[site]\ndisplay_name = New\n"),
        ("[account]\nclient_id = a\n\n", "[account]\nclient_id = a\n\n[site]\ndisplay_name = New\n"),
    ],
)
def test_a_section_that_is_missing_is_made_at_the_end(text: str, expected: str) -> None:
    assert changed(text, {DISPLAY: "New"}) == expected


def test_an_option_is_taken_out_with_all_its_lines() -> None:
    text = "[connection]\n# exceptions\nno_proxy = a.example,\n    b.example\nuse_proxy = no\n"
    assert changed(text, {("connection", "no_proxy"): None}) == "[connection]\n# exceptions\nuse_proxy = no\n"


def test_what_is_not_there_is_taken_out_without_a_trace() -> None:
    text = "[account]\nsmtp_address = a@b.c\n"
    assert changed(text, {DISPLAY: None, ("account", "client_id"): None}) == text


# --- how it is written ---------------------------------------------------------------------------


def test_line_ends_byte_order_mark_indent_and_blanks_stay() -> None:
    data = codecs.BOM_UTF8 + b"[account]\r\n  smtp_address=a@b.c\r  tenant_id=t\n\r\n[site]\r\ndisplay_name  =  x"
    after = edited(data, {ADDRESS: "new@b.c", ("account", "client_id"): "c", DISPLAY: "Büro"})
    assert after == (
        codecs.BOM_UTF8 + b"[account]\r\n  smtp_address=new@b.c\r  tenant_id=t\n  client_id=c\r\n\r\n[site]\r\n"
        b"display_name = B\xc3\xbcro\r\n"
    )


def test_a_name_in_capitals_stays_so() -> None:
    assert changed("[account]\nSMTP_Address = a@b.c\n", {ADDRESS: "n@b.c"}) == "[account]\nSMTP_Address = n@b.c\n"


@pytest.mark.parametrize(
    "value",
    [
        "a # b",
        "a ; b",
        "# a",
        "; a",
        "50 %",
        "%(section)s",
        "${a}",
        "[x]",
        "a = b",
        "= a",
        "a: b",
        '"quoted"',
        "ä 你 🎈",
        "",
    ],
)
def test_a_value_of_any_shape_is_read_back_as_it_was(value: str) -> None:
    for text in ("[site]\ndisplay_name = x\nid = a\n", "[site]\nid = a\n", ""):
        after = edited(text.encode(), {DISPLAY: value})
        assert values_of(after)[0][DISPLAY] == value


@pytest.mark.parametrize("value", [" a", "a ", "\ta", "a\nb", "a\n", "a\rb", "a\r\n", "\ud800", " "])
def test_what_an_ini_file_cannot_hold_is_refused_in_words(value: str) -> None:
    with pytest.raises(Uneditable, match="read back") as refused:
        changed("[site]\ndisplay_name = x\n", {DISPLAY: value})
    assert (refused.value.key, "one line" in refused.value.hint) == (DISPLAY, True)


# --- what is not touched -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"[site]\nid = a\nid = b\n",
        b"[site]\n[site]\n",
        b"[account]\nsmtp_address = a@b.c\n    tenant_id = t\n",
        b"stray\n[site]\n",
        b"[site]\nid : a\n",
        b"[site]\nid = \xff\n",
    ],
)
def test_a_file_whose_lines_are_out_of_order_is_left_alone(data: bytes) -> None:
    """What a reader drops there an edit might lose for ever."""
    with pytest.raises(Uneditable) as refused:
        edited(data, {ADDRESS: "n@b.c"})
    assert (refused.value.key, "check-config" in refused.value.hint) == (("", ""), True)


def test_a_line_that_the_library_cannot_take_apart_is_not_quoted() -> None:
    """Our reader goes first, and has refused it already; should they differ one day, no secret may be in the error."""
    with pytest.raises(Uneditable) as refused:
        edit._parsed([edit._Line("[a]", "\n"), edit._Line("hunter2", "\n")])
    assert "hunter2" not in f"{refused.value!r} {refused.value.__context__!r}"


def test_an_insert_that_a_deeper_line_would_swallow_is_refused() -> None:
    text = "[account]\nsmtp_address = a@b.c\n\n   tenant_id = t\n client_id = c\n"
    with pytest.raises(Uneditable):
        changed(text, {("account", "requires_authentication"): "no", ("account", "client_secret"): "env:A"}
                | {("account", "host_address"): "   x"})  # fmt: skip


names = st.sampled_from([option.key for option in SITE_OPTIONS])
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=12)
values = st.lists(words, min_size=1, max_size=3).map(" ".join)
notes = st.lists(st.one_of(st.just(""), words.map("# {}".format), words.map("; {}".format)), max_size=3)
ends = st.sampled_from(["\n", "\r\n"])


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """Sections and options in any order, with notes between them, in one of the two line ends or mixed."""
    keys = draw(st.lists(names, unique=True, max_size=12))
    spaced = draw(st.booleans())
    lines = draw(notes)
    for section in dict.fromkeys(section for section, _ in keys):
        lines += [f"[{section}]", *draw(notes)]
        for owner, name in keys:
            if owner == section:
                equals = " = " if spaced else "="
                lines += [f"{name}{equals}{draw(values)}", *draw(notes)]
    whole = "".join(line + draw(ends) for line in lines)
    mark = codecs.BOM_UTF8 if draw(st.booleans()) else b""
    return mark + (whole if draw(st.booleans()) else whole.rstrip("\r\n")).encode()


@given(documents(), st.dictionaries(names, st.one_of(st.none(), values), max_size=5))
def test_any_edit_reads_back_and_leaves_every_other_line_as_it_was(
    data: bytes, changes: dict[tuple[str, str], str | None]
) -> None:
    before, in_order = values_of(data)
    assert in_order
    after = edited(data, changes)
    wanted = {key: value for key, value in {**before, **changes}.items() if value is not None}
    assert values_of(after) == (wanted, True)
    new = {name for _, name in changes}
    others = [line for line in _raw_lines(data) if _name(line) not in new]
    kept = [line for line in _raw_lines(after) if _name(line) not in new]
    assert _without_a_last_end(others) == _without_a_last_end(_in_order(kept, others))


def _raw_lines(data: bytes) -> list[bytes]:
    return data.removeprefix(codecs.BOM_UTF8).splitlines(keepends=True)


def _name(line: bytes) -> str:
    name, equals, _ = line.decode().partition("=")
    return name.strip() if equals and not name.lstrip().startswith(("#", ";")) else ""


def _in_order(kept: list[bytes], others: list[bytes]) -> list[bytes]:
    """Of the new lines those that were there: a section that was made, and the blank line before it, are new."""
    found, rest = [], iter(kept)
    for other in others:
        found += [
            line for line in [next((one for one in rest if one.rstrip(b"\r\n") == other.rstrip(b"\r\n")), b"")] if line
        ]
    return found


def _without_a_last_end(lines: list[bytes]) -> list[bytes]:
    """The last line may get an end, where something comes behind it."""
    return [*lines[:-1], *(line.rstrip(b"\r\n") for line in lines[-1:])]
