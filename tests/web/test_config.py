"""`GET|PUT /api/v1/sites/{site}/config`: who may, what travels, and a status for every way it can end."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.engine.config_views import (
    ConfigChanged,
    ConfigManaged,
    ConfigNotWritten,
    ConfigRejected,
    FieldFinding,
    MergeLine,
)
from daemon.engine.operations import ConfigWritten, ReloadAnswer, RequestRefused, SettingChange
from daemon.ports import JournalUnavailable, Secret
from tests.web.described import DescribedClient, Reply
from tests.web.memory_engine import CONFIG, MemoryEngine

TOKEN = {"Authorization": "Bearer right"}
SEEN = {**TOKEN, "If-Match": '"1"'}
PATH = "/api/v1/sites/default/config"
HIDDEN = "hunter2-in-the-wrong-place"


@pytest.fixture(autouse=True)
def token(engine: MemoryEngine) -> None:
    engine.token = Secret("right")


async def put(api: DescribedClient, options: Any, *, headers: dict[str, str] = SEEN, **more: Any) -> Reply:
    return await api.call("PUT", PATH, headers=headers, json={"options": options, **more})


# --- reading -------------------------------------------------------------------------------------


async def test_the_file_is_shown_by_section_and_of_a_secret_only_where_it_is(api: DescribedClient) -> None:
    reply = await api.get(PATH, headers=TOKEN)
    assert (reply.status, reply.headers["ETag"], reply.headers["Cache-Control"]) == (200, '"1"', "no-store")
    shown = reply.json
    assert (shown["site"], shown["file"], shown["managed"]) == ("default", "config.ini", "")
    assert shown["options"]["account"]["smtp_address"]["value"] == "a@b.c"
    secret = shown["options"]["account"]["password"]
    assert (secret["value"], secret["kind"], secret["fingerprint"]) == ("", "file", "0123abcd")
    assert shown["options"]["binding"]["automatic"]["choices"] == ["yes", "no"]
    assert "kind" not in shown["options"]["binding"]["automatic"]
    assert [finding["option"] for finding in shown["findings"]] == ["password"]


@pytest.mark.parametrize(
    "given, status", [('"1"', 304), ('W/"1"', 304), ('"0", "1"', 304), ("*", 304), ('"2"', 200), ("1", 200)]
)
async def test_who_has_this_version_is_told_so(api: DescribedClient, given: str, status: int) -> None:
    reply = await api.get(PATH, headers={**TOKEN, "If-None-Match": given})
    assert (reply.status, reply.headers["ETag"], reply.headers["Cache-Control"]) == (status, '"1"', "no-store")
    assert (reply.text == "") is (status == 304)


async def test_only_the_shape_is_asked_for_with_head(api: DescribedClient) -> None:
    assert (await api.call("HEAD", PATH, headers=TOKEN)).headers["ETag"] == '"1"'


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_it_needs_the_scope_admin_on_loopback_too(
    engine: MemoryEngine, api: DescribedClient, method: str
) -> None:
    body = {} if method == "GET" else {"json": {"options": {}}}
    assert (await api.call(method, PATH, headers={"If-Match": '"1"'}, **body)).status == 401
    assert engine.edits == []


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_site_that_is_not_there_is_named(api: DescribedClient, method: str) -> None:
    body = {} if method == "GET" else {"json": {"options": {}}}
    reply = await api.call(method, "/api/v1/sites/nowhere/config", headers=SEEN, **body)
    assert (reply.status, reply.code) == (404, "unknown-site")


# --- changing ------------------------------------------------------------------------------------


async def test_every_kind_of_change_reaches_the_engine(engine: MemoryEngine, api: DescribedClient) -> None:
    options = {
        "account": {"smtp_address": "x@y.z", "password": {"secret": HIDDEN}, "client_secret": None},
        "binding": {"automatic": None, "password": {"reference": "env:NAME"}},
    }
    was = {"account": {"smtp_address": "a@b.c", "password": "0123abcd"}}
    engine.config_written = ConfigWritten(
        etag='"2"',
        backup="backups/config.ini.bak-20261127T153012Z",
        reload=ReloadAnswer(
            outcome="applied",
            changes=(SettingChange(site="default", section="account", option="password", result="rebind"),),
        ),
        bind_id="default-7",
    )
    reply = await put(api, options, was=was)
    assert (reply.status, reply.headers["ETag"]) == (200, '"2"')
    assert reply.json == {
        "etag": '"2"',
        "backup": "backups/config.ini.bak-20261127T153012Z",
        "reload": {
            "outcome": "applied",
            "changes": [{"site": "default", "section": "account", "option": "password", "result": "rebind"}],
            "findings": [],
        },
        "bind": "/api/v1/sites/default/binds/default-7",
    }
    ((site, caller, edit),) = engine.edits
    assert (site, caller.actor, edit.etag) == ("default", "token:api_token@127.0.0.1", '"1"')
    assert edit.values == {("account", "smtp_address"): "x@y.z", ("binding", "automatic"): None}
    secret = edit.secrets["account", "password"]
    assert (secret.reveal() if secret else "", edit.secrets["account", "client_secret"]) == (HIDDEN, None)
    assert edit.references == {("binding", "password"): "env:NAME"}
    assert edit.was == {("account", "smtp_address"): "a@b.c", ("account", "password"): "0123abcd"}
    assert HIDDEN not in repr(edit)


async def test_nothing_to_do_is_well(api: DescribedClient) -> None:
    reply = await put(api, {})
    assert (reply.status, reply.json["bind"], reply.json["reload"]["outcome"]) == (200, None, "unchanged")


@pytest.mark.parametrize("given", [None, "*", "", " "])
async def test_a_change_names_the_version_that_it_was_made_from(
    engine: MemoryEngine, api: DescribedClient, given: str | None
) -> None:
    reply = await put(api, {}, headers=TOKEN if given is None else {**TOKEN, "If-Match": given})
    assert (reply.status, reply.code, "ETag" in reply.json["remedy"]) == (428, "if-match-required", True)
    assert engine.edits == []


@pytest.mark.parametrize("given", ["1", '"1", "2"', '"1', "W/1"])
async def test_a_version_is_one_and_in_quotes(engine: MemoryEngine, api: DescribedClient, given: str) -> None:
    reply = await put(api, {}, headers={**TOKEN, "If-Match": given})
    assert (reply.status, reply.code, reply.json["field"]) == (400, "bad-header", "If-Match")
    assert engine.edits == []


@pytest.mark.parametrize(
    "body, field",
    [
        ({}, "options"),
        ({"options": []}, "options"),
        ({"options": {"account": HIDDEN}}, "options.account"),
        ({"options": {HIDDEN: 1}}, "options.…"),
        ({"options": {"account": {"password": [HIDDEN]}}}, "options.account.password"),
        ({"options": {"account": {"password": {"secret": [HIDDEN]}}}}, "options.account.password"),
        ({"options": {"account": {"password": {"reference": 7}}}}, "options.account.password"),
        ({"options": {"account": {"password": {"secret": HIDDEN, "reference": "env:A"}}}}, "options.account.password"),
        ({"options": {"account": {"password": {}}}}, "options.account.password"),
        ({"options": {"account": {HIDDEN: True}}}, "options"),
        ({"options": {}, "was": {"account": {"smtp_address": None}}}, "options.account.smtp_address"),
        ({"options": {}, "was": HIDDEN}, "was"),
    ],
)
async def test_a_body_of_another_shape_is_refused_and_not_repeated(
    engine: MemoryEngine, api: DescribedClient, body: Any, field: str
) -> None:
    reply = await api.call("PUT", PATH, headers=SEEN, json=body)
    assert (reply.status, reply.code, reply.json["field"]) == (400, "bad-field", field)
    assert (HIDDEN in reply.text, engine.edits) == (False, [])


async def test_a_body_that_is_too_large_is_not_read(engine: MemoryEngine, api: DescribedClient) -> None:
    reply = await put(api, {"account": {"smtp_address": "x" * 70_000}})
    assert (reply.status, reply.code, engine.edits) == (413, "too-large", [])


async def test_a_form_is_no_json(api: DescribedClient) -> None:
    assert (await api.call("PUT", PATH, headers=SEEN, data={"options": "x"})).status == 415


async def test_secrets_over_the_open_network_are_refused(
    engine: MemoryEngine, api: DescribedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one-time credentials are; what is no secret may come."""
    monkeypatch.setattr("daemon.web.peer.is_loopback", lambda host: False)
    reply = await put(api, {"account": {"password": {"secret": HIDDEN}}})
    assert (reply.status, reply.code, HIDDEN in reply.text) == (403, "insecure-transport", False)
    assert engine.edits == []
    assert (await put(api, {"account": {"password": None, "smtp_address": "x@y.z"}})).status == 200


# --- refusals ------------------------------------------------------------------------------------


async def test_findings_stand_at_their_options(engine: MemoryEngine, api: DescribedClient) -> None:
    finding = FieldFinding(
        section="connection",
        option="proxy_port",
        line=12,
        severity="error",
        text="is out of range",
        remedy="1 to 65535",
    )
    engine.config_refusal = ConfigRejected((finding,))
    reply = await put(api, {"connection": {"proxy_port": "99999"}})
    assert (reply.status, reply.code) == (422, "config-invalid")
    assert reply.json["findings"] == [
        {
            "section": "connection",
            "option": "proxy_port",
            "line": 12,
            "severity": "error",
            "text": "is out of range",
            "remedy": "1 to 65535",
        }
    ]


async def test_a_conflict_shows_both_sides(engine: MemoryEngine, api: DescribedClient) -> None:
    line = MergeLine(section="account", option="smtp_address", was="a", theirs="b", yours="c", conflict=True)
    engine.config_refusal = ConfigChanged(CONFIG, (line,))
    reply = await put(api, {"account": {"smtp_address": "c"}})
    assert (reply.status, reply.code, reply.headers["ETag"]) == (412, "config-changed", '"1"')
    assert reply.json["merge"] == [
        {"section": "account", "option": "smtp_address", "was": "a", "theirs": "b", "yours": "c", "conflict": True}
    ]
    assert reply.json["config"]["etag"] == '"1"'


@pytest.mark.parametrize(
    "refusal, status, code",
    [
        (ConfigManaged("config.ini comes from a ConfigMap."), 409, "config-managed-externally"),
        (RequestRefused("not-configured", "the site has no file"), 409, "not-configured"),
        (ConfigNotWritten("No space is left."), 503, "config-not-written"),
        (JournalUnavailable("the disk is full"), 503, "journal-unavailable"),
    ],
)
async def test_every_other_end_has_its_code(
    engine: MemoryEngine, api: DescribedClient, refusal: Exception, status: int, code: str
) -> None:
    engine.config_refusal = refusal
    reply = await put(api, {"account": {"smtp_address": "x@y.z"}})
    assert (reply.status, reply.code) == (status, code)
