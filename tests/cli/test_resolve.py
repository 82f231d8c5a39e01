"""`sitebind resolve` before a server that answers as the daemon does, and without one."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

Ask = Callable[..., Any]
RESOLVE = "GET /api/v1/sites/default/resolve"


def an_object(address: str, *, kind: str = "user", name: str = "Ada Lovelace", **more: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "id": "1f",
        "display_name": name,
        "primary_address": address,
        "addresses": [address] if address else [],
        "enabled": True,
        "licensed": None,
        "mail_enabled": bool(address),
        "source": "ldap:dc1",
        **more,
    }


def an_answer(*objects: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "site": "default",
        "wanted": "ada@example.com",
        "object": objects[0] if len(objects) == 1 else None,
        "objects": list(objects),
        "members": None,
        "truncated": False,
        "near": [],
        "reasons": [],
        "source": "ldap:dc1",
        "asked_at": "2026-11-27T10:00:00.000Z",
        "seconds": 0.0123,
        "age_seconds": 0,
        **more,
    }


async def test_an_object_is_shown_with_its_addresses_and_where_it_came_from(api: Any, ask: Ask) -> None:
    ada = an_object("ada@example.com", addresses=["ada@example.com", "countess@example.com"])
    api.on(RESOLVE, an_answer(ada))
    said = await ask("resolve", "ada@example.com", "--site", "default", "--url", api.url)
    assert said.code == 0
    assert said.out.splitlines() == [
        "user Ada Lovelace",
        "  address       ada@example.com",
        "  also          countess@example.com",
        "  id            1f",
        "  source        ldap:dc1, 12 ms",
    ]
    assert api.asked[0].query_string == "address=ada@example.com"


async def test_a_group_lists_its_members_with_what_keeps_them_from_being_worked_with(api: Any, ask: Ask) -> None:
    group = an_object("", kind="group", name="All Staff", enabled=None)
    members = [
        an_object("left@example.com", name="Left Company", enabled=False),
        an_object("no@example.com", name="No Licence", licensed=False),
    ]
    api.on(RESOLVE, an_answer(group, members=members, truncated=True, age_seconds=600))
    said = await ask("resolve", "All Staff", "--members", "--fresh", "--site", "default", "--url", api.url)
    assert said.code == 0
    assert api.asked[0].query_string == "group=All Staff&members=yes&fresh=yes"
    assert "  note          not mail enabled" in said.out
    assert "\n2 members, and there are more ([directory] members_limit).\n" in said.out
    assert "left@example.com                     Left Company  (disabled)" in said.out
    assert "no@example.com                       No Licence  (without a licence)" in said.out
    assert "asked 10 min ago; --fresh asks anew" in said.out


async def test_what_is_not_found_is_exit_code_5_with_reasons_and_near_misses(api: Any, ask: Ask) -> None:
    near = [an_object("ada.lovelace@example.com")]
    api.on(RESOLVE, an_answer(near=near, reasons=["no object has this address"]))
    said = await ask("resolve", "ada@example.com", "--site", "default", "--url", api.url)
    assert said.code == 5
    assert said.out.startswith(
        "ada@example.com is not found.\n  why           no object has this address\nNear misses:\n"
    )
    assert "ada.lovelace@example.com" in said.out


async def test_an_ambiguous_name_shows_every_object(api: Any, ask: Ask) -> None:
    api.on("GET /api/v1/sites", {"sites": [{"id": "default"}]})
    api.on(RESOLVE, an_answer(an_object("a@example.com"), an_object("b@example.com"), wanted="ada"))
    said = await ask("resolve", "ada", "--url", api.url)
    assert said.code == 5
    assert said.out.startswith("ada is ambiguous: 2 objects.\n")
    assert said.out.count("user Ada Lovelace") == 2


def in_lines(*lines: dict[str, Any], broken: str = "") -> dict[str, Any]:
    """An answer as the daemon gives it line by line."""
    text = "".join(f"{json.dumps(line)}\n" for line in lines) + broken
    return {"bodies": (text,), "headers": {"Content-Type": "application/x-ndjson"}}


def answering(api: Any, *lines: dict[str, Any], broken: str = "") -> None:
    told = in_lines(*lines, broken=broken)
    api.on(RESOLVE, *told["bodies"], headers=told["headers"])


GROUP = an_object("all@example.com", kind="group", name="All Staff")
ADA = an_object("ada@example.com")
HEAD = {"resolution": an_answer(GROUP, members=[])}
END = {"end": {"members": 2, "truncated": True, "reasons": ["contacts were not looked at"], "seconds": 1.5}}


async def test_members_are_printed_as_they_come(api: Any, ask: Ask) -> None:
    """Line by line; how many they are and what was left out stands at the end."""
    answering(api, HEAD, {"member": ADA}, {"member": an_object("z@example.com", name="Zoe")}, END)
    said = await ask("resolve", "All Staff", "--members", "--site", "default", "--url", api.url)
    assert said.code == 0
    assert "application/x-ndjson" in api.asked[0].headers["Accept"]
    assert said.out.splitlines()[3:] == [
        "Members:",
        "  user    ada@example.com                      Ada Lovelace",
        "  user    z@example.com                        Zoe",
        "2 members, and there are more ([directory] members_limit).",
        "  why           contacts were not looked at",
        "  source        ldap:dc1, 1500 ms",
    ]


@pytest.mark.parametrize("broken", ["", '{"member": {"kind"'])
async def test_an_answer_that_breaks_off_is_not_taken_for_a_whole_one(api: Any, ask: Ask, broken: str) -> None:
    """Nor for a daemon that is not there: nothing is asked from here after half an answer."""
    answering(api, HEAD, {"member": ADA}, broken=broken)
    api.on("GET /api/v1/sites", {"sites": [{"id": "default"}]})
    said = await ask("resolve", "All Staff", "--members", "--url", api.url)
    assert said.code == 5
    assert "The answer broke off before its end" in said.err
    assert "asked from here" not in said.err


async def test_a_directory_that_fails_in_the_middle_is_told_with_its_remedy(api: Any, ask: Ask) -> None:
    problem = {"status": 503, "title": "Service Unavailable", "detail": "dc1 is gone", "remedy": "Check the server."}
    answering(api, HEAD, {"member": ADA}, {"problem": problem})
    said = await ask("resolve", "All Staff", "--members", "--site", "default", "--url", api.url)
    assert said.code == 5
    assert "ada@example.com" in said.out
    assert "dc1 is gone\n  Check the server." in said.err


async def test_json_is_the_answer_itself(api: Any, ask: Ask) -> None:
    answer = an_answer(an_object("ada@example.com"))
    api.on(RESOLVE, answer)
    said = await ask("resolve", "ada@example.com", "--site", "default", "--json", "--url", api.url)
    assert json.loads(said.out) == answer


async def test_a_directory_that_fails_is_told_with_its_remedy(api: Any, ask: Ask) -> None:
    problem = {"title": "Bad Gateway", "detail": "dc1 refused the sign-in", "remedy": "Check [directory] user."}
    api.on(RESOLVE, problem, status=502)
    said = await ask("resolve", "a@example.com", "--site", "default", "--url", api.url)
    assert said.code == 5
    assert "dc1 refused the sign-in\n  Check [directory] user." in said.err


async def test_a_stranger_instead_of_the_daemon_is_named(api: Any, ask: Ask) -> None:
    api.on(RESOLVE, {"what": "else"})
    said = await ask("resolve", "a@example.com", "--site", "default", "--url", api.url)
    assert said.code == 1
    assert "holds no objects" in said.err


SITE = "[account]\nsmtp_address = a@example.com\n[binding]\nemail = b@example.com\npassword = env:P\n"
APP = "application_id = app\napplication_key = env:K\n"


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


@pytest.fixture
def nobody() -> str:
    """An address on which nothing listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return f"[daemon]\nsocket =\nlisten = 127.0.0.1:{server.getsockname()[1]}\n"


@pytest.mark.parametrize(
    "text, code, words",
    [
        (f"{SITE}{APP}require = none\n", 2, "[directory] user is not set"),
        (f"{SITE}{APP}require = none\nnonsense\n", 2, "see sitebind check-config"),
        (
            f"{SITE}{APP}require = directory\n[directory]\nserver = 127.0.0.1:9\nuser = u\npassword = literal:p\n",
            5,
            "[directory] server",
        ),
    ],
)
def test_without_a_daemon_the_directory_is_asked_from_here(
    text: str, code: int, words: str, *, tmp_path: Path, sitebind: Ask, nobody: str
) -> None:
    """What cannot be asked is said with what to do, and that no daemon answered."""
    config = written(tmp_path / "config.ini", nobody + text)
    said = sitebind("resolve", "a@example.com", "--config", config)
    assert (said.code, words in said.err) == (code, True), said.err
    assert "The directory is asked from here." in said.err
