"""No secret leaves its place: logs, errors, tracebacks, metrics, answers, reports, exports, files, reprs.

Every secret is a canary that exists nowhere else; `test_hunt.py` shows that the search finds one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from daemon.ports import JournalEntry, ProviderFault, Secret
from daemon.providers.mimecast_v1 import MimecastV1
from daemon.sandbox.world import DEMO_EMAIL, DEMO_MINIMAL_EMAIL
from daemon.store.vault import SealedVault
from states import Fault, State
from tests.canaries.hunt import canary, hunt
from tests.canaries.scene import Scene, files, put, scene
from tests.clock import ManualClock
from tests.running import eventually

pytestmark = pytest.mark.slow

TROUBLES = (
    "wrong-password", "locked-account", "two-step", "missing-role", "unknown-domain", "forbidden-authentication-type",
    "untrusted-base", "bad-application", "throttled", "service-error", "empty-body", "malformed-body", "wrong-shape",
    "huge-body", "reset", "half-body",
)  # fmt: skip
OF_API_2 = ("wrong-password", "bad-application", "throttled", "service-error", "malformed-body", "wrong-shape", "reset")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def one_time(here: Scene, *, refused: bool = False) -> Any:
    password = here.secrets.refused if refused else here.secrets.one_time
    return await here.bind(email=DEMO_MINIMAL_EMAIL, password=password.text)


async def test_the_search_finds_what_is_planted_in_this_very_scene(tmp_path: Path, clock: ManualClock) -> None:
    """In the log, in an answer, in the database and in a repr: otherwise the tests below would prove nothing."""
    async with scene(tmp_path, clock) as here:
        await here.run.reach(State.BOUND)
        assert await here.hunted() == []
        logging.getLogger("sitebind.test").debug("sign-in with %s", here.secrets.password.text)
        print(here.secrets.proxy_password.text, file=here.said)
        await here.run.daemon.journal.write(
            lambda db: db.execute("INSERT INTO meta VALUES ('planted', ?)", (here.secrets.application_key.text,))
        )
        object.__setattr__(here.run.daemon.configuration.daemon, "log_format", here.secrets.vault_key.text)
        with suppress(ProviderFault):  # which nobody holds afterwards
            raise ProviderFault(Fault.SERVICE_ERROR, here.secrets.graph_secret.text)
        await here.run.daemon.journal.append(
            JournalEntry(
                at=clock.now(),
                site="",
                actor="test",
                event="planted",
                before="",
                after="",
                detail={"text": here.secrets.client_secret.text},
            )
        )
        await eventually(lambda: "planted" in here.heard.getvalue())
        found = await here.hunted()
        object.__setattr__(here.run.daemon.configuration.daemon, "log_format", "text")
    places = {(find.canary, find.place.rpartition("/")[2]) for find in found}
    assert {
        ("bind password", "log as text"),
        ("bind password", "log as JSON"),
        ("proxy password", "answers of the API"),
        ("application key", "sitebind.db-wal"),
        ("vault key", "repr of daemon.config.model.DaemonSettings"),
        ("client secret of the app registration", "repr of daemon.values.ProviderFault"),
        ("client secret", "event stream"),
    } <= places


async def test_a_bind_through_the_proxy_says_nothing(tmp_path: Path, clock: ManualClock) -> None:
    async with scene(tmp_path, clock) as here:
        await here.run.reach(State.BOUND)
        assert (await here.bind())["state"] == "succeeded"
        assert (await one_time(here))["state"] == "succeeded"
        assert here.proxy.passed > 0
        assert len(here.issued) >= 4
        assert await here.hunted() == []
        assert {"event: audit", "event: site", "event: step"} <= set(here.heard.getvalue().splitlines())


async def passed(here: Scene, seconds: float) -> None:
    """Let the time pass; a retry of its own that fell due meanwhile is left to end."""
    assert isinstance(here.run.clock, ManualClock)
    await here.run.clock.advance(seconds)
    await here.in_time(lambda: here.run.now().open is None)


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_bind_that_fails_says_nothing(tmp_path: Path, clock: ManualClock, trouble: str) -> None:
    """With the configured sign-in and with one that is given once, well and refused."""
    async with scene(tmp_path, clock) as here:
        await here.run.reach(State.BOUND)
        here.run.sandbox.script.start(trouble)
        # A spent allowance holds up the next call of its kind.
        pause = 2.0 if trouble == "throttled" else 0.0
        assert (await here.bind())["state"] == "failed"
        await passed(here, pause)
        assert (await one_time(here))["state"] == "failed"
        await passed(here, pause)
        assert (await one_time(here, refused=True))["state"] == "failed"
        assert await here.hunted() == []


@pytest.mark.parametrize("trouble", [None, *OF_API_2])
async def test_an_applications_secret_stays_where_it_is(
    tmp_path: Path, clock: ManualClock, trouble: str | None
) -> None:
    async with scene(tmp_path, clock, method="application") as here:
        await here.run.reach(State.BOUND)
        if trouble is not None:
            here.run.sandbox.script.start(trouble)
            assert (await here.bind())["state"] == "failed"
        await here.call(
            "POST", "/rebind", admin=True, json={"email": DEMO_EMAIL, "password": here.secrets.one_time.text}
        )
        assert await here.hunted() == []


async def test_a_proxy_that_repeats_what_it_was_sent_gives_nothing_away(tmp_path: Path, clock: ManualClock) -> None:
    """A 407 whose reason, challenge and body hold the header."""
    async with scene(tmp_path, clock) as here:
        await here.run.reach(State.BOUND)
        here.proxy.refuses = True
        assert (await here.bind())["fault"] == Fault.PROXY_AUTHENTICATION.code
        await one_time(here)
        await here.call("POST", "/api/v1/sites/default/doctor", json={})
        assert await here.hunted() == []


# --- a service that repeats everything -----------------------------------------------------------

ECHOES = {
    "in an error's message": (200, '{{"data": [], "fail": [{{"errors": [{{"code": "err_x", "message": {echo}}}]}}]}}'),
    "refused with everything": (401, '{{"fail": [{{"message": {echo}, "errors": [{{"code": {echo}}}]}}]}}'),
    "forbidden": (403, '{{"fail": [{{"errors": [{{"code": "err_forbidden", "message": {echo}, "field": {echo}}}]}}]}}'),
    "as plain text": (500, "{echo}"),
    "where JSON is expected": (200, "{echo}"),
    "as the address of a redirect": (302, ""),
}


@asynccontextmanager
async def echoing(here: Scene, how: str) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A service on loopback, with the sandbox's own certificate, that answers with what it was sent, and keeps it."""
    sent: list[bytes] = []
    status, template = ECHOES[how]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(here.folder / "sandbox" / "server.pem", here.folder / "sandbox" / "server.key")

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head.lower())
            body = await reader.readexactly(int(length[1])) if length else b""
            sent.append(head + body)
            answer = template.format(echo=json.dumps((head + body).decode("utf-8", "replace"))).encode()
            lines = f"HTTP/1.1 {status} {head.split()[0].decode()}\r\nContent-Type: application/json\r\n"
            if status == 302 and b"autodiscover" in head.lower() and b"authorization" not in head.lower():
                lines = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=here\r\n"
            elif status == 302:
                lines += f"Location: /autodiscover/{quote(head + body, safe='')}\r\n"
            writer.write(f"{lines}Content-Length: {len(answer)}\r\nConnection: close\r\n\r\n".encode() + answer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.transport.abort()
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1], sent
    finally:
        server.close()


@pytest.mark.parametrize("method", ["cloud", "application"])
@pytest.mark.parametrize("how", ECHOES)
async def test_a_service_that_repeats_what_it_was_sent_gives_nothing_away(
    tmp_path: Path, clock: ManualClock, how: str, method: str
) -> None:
    """Its words are quoted in reports and logs, without what is secret in them."""
    async with scene(tmp_path, clock, method=method) as here:
        await here.run.reach(State.BOUND)
        async with echoing(here, how) as (port, sent):
            text = here.run.path.read_text()
            url = re.search(r"^service_url = (.+)$", text, re.MULTILINE)
            assert url is not None
            here.run.path.write_text(text.replace(url[1], f"https://localhost:{port}"))
            await here.call("POST", "/-/reload")
            await here.in_time(lambda: here.run.now().trouble is not None)
            assert (await here.bind())["state"] == "failed"
            if method == "cloud":
                await one_time(here)
            else:
                assert hunt([here.secrets.client_secret], {"what it was sent": b"".join(sent)}) != []
            assert sent != []
            assert await here.hunted() == []


# --- the Microsoft side --------------------------------------------------------------------------

EXCHANGE_TROUBLES = (
    "wrong-mailbox-password", "no-impersonation", "no-mailbox", "ews-disabled", "redirect-loop", "no-autodiscover",
)  # fmt: skip
CLOUD_TROUBLES = ("wrong-client-secret", "expired-client-secret", "wrong-tenant", "missing-consent", "no-impersonation")


@pytest.mark.parametrize(
    "method, trouble",
    [*(("cloud", trouble) for trouble in EXCHANGE_TROUBLES), *(("application", trouble) for trouble in CLOUD_TROUBLES)],
)
async def test_the_mailbox_accounts_secrets_stay_where_they_are(
    tmp_path: Path, clock: ManualClock, method: str, trouble: str
) -> None:
    """In a bind that fails at the mailbox, in the doctor, and in a lookup."""
    async with scene(tmp_path, clock, method=method) as here:
        await here.run.reach(State.BOUND)
        await clock.advance(7200)
        here.run.sandbox.script.start(trouble)
        assert (await here.bind())["state"] == "failed"
        await here.call("POST", "/api/v1/sites/default/doctor", json={})
        await here.call("GET", "/api/v1/sites/default/resolve?address=ada@example.test&fresh=yes")
        assert await here.hunted() == []


MICROSOFT_OPTIONS = {
    "cloud": ("autodiscover_url",),
    "application": ("host_address", "graph_url", "exchange_online_url"),
}


@pytest.mark.parametrize("method", MICROSOFT_OPTIONS)
@pytest.mark.parametrize("how", list(ECHOES))
async def test_a_microsoft_that_repeats_what_it_was_sent_gives_nothing_away(
    tmp_path: Path, clock: ManualClock, how: str, method: str
) -> None:
    """Autodiscover, EWS, the identity platform, Graph."""
    async with scene(tmp_path, clock, method=method) as here:
        await here.run.reach(State.BOUND)
        async with echoing(here, how) as (port, sent):
            text = here.run.path.read_text()
            for option in MICROSOFT_OPTIONS[method]:
                text = re.sub(rf"^({option} = (?:https://)?localhost):\d+$", rf"\1:{port}", text, flags=re.MULTILINE)
            here.run.path.write_text(text)
            await here.call("POST", "/-/reload")
            await here.in_time(lambda: here.run.now().trouble is not None)
            assert (await here.bind())["state"] == "failed"
            await here.call("POST", "/api/v1/sites/default/doctor", json={})
            await here.call("GET", "/api/v1/sites/default/resolve?address=ada@example.test&fresh=yes")
            assert sent != []
            assert await here.hunted() == []


# --- defects -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["plain", "of the HTTP library", "while the vault seals"])
async def test_the_traceback_of_a_defect_says_nothing(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """An exception that nobody foresaw, with everything secret within its reach."""
    async with scene(tmp_path, clock) as here:
        await here.run.reach(State.BOUND)

        async def broken(_self: Any, *_given: Any, **_named: Any) -> None:
            raise RuntimeError("nobody foresaw this")

        async def unanswered(_self: Any, *_given: Any, **_named: Any) -> None:
            raise aiohttp.ServerDisconnectedError("nobody foresaw this either")

        if kind == "plain":
            monkeypatch.setattr(MimecastV1, "authorize", broken)
        elif kind == "of the HTTP library":
            monkeypatch.setattr(MimecastV1, "authenticate", unanswered)
        else:
            monkeypatch.setattr(SealedVault, "put", broken)
        assert (await here.bind())["fault"] == Fault.UNEXPECTED.code
        await one_time(here)
        monkeypatch.undo()
        assert "Traceback" in here.streams["log as text"].getvalue()
        assert await here.hunted() == []


async def test_a_request_that_is_a_defect_or_malformed_repeats_nothing(tmp_path: Path, clock: ManualClock) -> None:
    """A body that is no JSON, a field that does not exist, a wrong type: the answer names the field only."""
    async with scene(tmp_path, clock) as here:
        await here.run.reach(State.BOUND)
        secret = here.secrets.one_time.text
        path = "/api/v1/sites/default/rebind"
        for body in ({"email": "x@y.z", "password": [secret]}, {"email": 7, "password": secret}, {"password": secret}):
            await here.call("POST", path, admin=True, json=body)
        await here.call("POST", path, json={"email": "x@y.z", "password": secret})
        async with here.run.http.post(
            here.run.daemon.web.url + path,
            data=f'{{"password": "{here.secrets.one_time.core}"',
            headers={"Authorization": f"Bearer {here.secrets.api_token.text}", "Content-Type": "application/json"},
        ) as answer:
            print(await answer.text(), file=here.said)
            assert answer.status == 400
        wrong = canary("a wrong token", plain=True)
        async with here.run.http.get(
            here.run.daemon.web.url + path, headers={"Authorization": f"Bearer {wrong.text}"}
        ) as answer:
            print(await answer.text(), file=here.said)
            assert answer.status in (401, 405)
        found = await here.hunted()
        assert found == []
        assert hunt([wrong], here.places()) == []


# --- changes -------------------------------------------------------------------------------------


async def test_rotated_secrets_are_applied_and_not_told(tmp_path: Path, clock: ManualClock) -> None:
    """The old and the new: told is only that the option changed."""
    async with scene(tmp_path, clock) as here:
        await here.run.reach(State.BOUND)
        here.run.sandbox.world.set_password(DEMO_EMAIL, here.secrets.rotated.text)
        put(tmp_path / "secrets", "password", here.secrets.rotated)
        answer = await here.call("POST", "/-/reload")
        assert [(change["option"], change["result"]) for change in answer["changes"]] == [("password", "rebind")]
        await here.in_time(lambda: here.run.now().attempt >= 2 and here.run.now().state is State.BOUND)
        assert await here.hunted() == []


async def test_a_rejected_file_does_not_repeat_the_secrets_in_it(tmp_path: Path, clock: ManualClock) -> None:
    """A secret on the wrong line, in the wrong option, with a typo in front."""
    async with scene(tmp_path, clock) as here:
        await here.run.reach(State.BOUND)
        good, secret = here.run.path.read_text(), here.secrets.rotated.text
        for bad in (
            good.replace("[binding]\n", f"[binding]\npasswrod = {secret}\n"),
            good.replace("[binding]\n", f"[binding]\npassword = {secret}\n"),
            good.replace("[binding]\n", f"[binding]\napplication_key: {secret}\n"),
            good.replace(f"proxy_port = {here.proxy.port}", f"proxy_port = none\nproxy_pasword = {secret}"),
        ):
            assert bad != good
            here.run.path.write_text(bad)
            answer = await here.call("POST", "/-/reload")
            assert answer["outcome"] == "rejected"
        here.run.path.write_text(good)
        assert await here.hunted() == []


async def test_a_secret_that_is_written_lies_in_its_own_file_alone(tmp_path: Path, clock: ManualClock) -> None:
    """Not in the configuration, nor in a backup of it, nor in what is told of it."""
    path, binding, directory = "/api/v1/sites/default/config", ("binding", "password"), ("directory", "password")
    async with scene(tmp_path, clock) as here:
        await here.run.reach(State.BOUND)
        new = {binding: here.secrets.written, directory: here.secrets.also_written}
        here.run.sandbox.world.set_password(DEMO_EMAIL, here.secrets.written.text)
        for name in ("First", "Second"):  # the second change keeps a backup of the first one's file
            seen = await here.call("GET", path, admin=True)
            options: dict[str, Any] = {"site": {"display_name": name}}
            for (section, option), secret in new.items():
                options.setdefault(section, {})[option] = {"secret": secret.text}
            headers = {"If-Match": seen["etag"]}
            done = await here.call("PUT", path, admin=True, headers=headers, json={"options": options})
            assert done["reload"]["outcome"] == "applied"
            await here.run.ended(done["bind"].rpartition("/")[2])
        assert here.run.now().state is State.BOUND
        kept = [*(tmp_path / "secrets").glob("default.*"), here.run.path, *(tmp_path / "backups").iterdir()]
        places = {str(file): file.read_bytes() for file in kept}
        assert {find.place for find in hunt([*new.values()], places)} == {str(kept[0]), str(kept[1])}
        assert len(kept) == 5
        assert await here.hunted() == []


async def test_a_change_that_is_refused_repeats_nothing(tmp_path: Path, clock: ManualClock) -> None:
    """A secret as a value, as a reference, as a name, in a conflict, in a body that is no JSON."""
    path = "/api/v1/sites/default/config"
    async with scene(tmp_path, clock) as here:
        await here.run.reach(State.BOUND)
        secret, before = here.secrets.misplaced.text, here.run.path.read_bytes()
        seen = {"If-Match": (await here.call("GET", path, admin=True))["etag"]}
        for options in (
            {"binding": {"password": secret}},
            {"binding": {"password": {"reference": secret}}},
            {"binding": {"password": {"reference": f"literal:{secret}"}}},
            {"binding": {"password": {"secret": f"{secret}\n{secret}"}}},
            {"binding": {"password": [secret]}},
            {"binding": {"service_url": f"https://x:{secret}@y.z"}},
            {"binding": {secret: "x"}},
            {secret: {"password": "x"}},
            {secret: secret},
        ):
            answer = await here.call("PUT", path, admin=True, headers=seen, json={"options": options})
            assert answer["status"] in (400, 422)
        for headers in ({"If-Match": '"old"'}, {}):
            body = {"options": {"binding": {"password": {"secret": secret}}}, "was": {"binding": {"password": "0"}}}
            assert (await here.call("PUT", path, admin=True, headers=headers, json=body))["status"] in (412, 428)
        text = {**seen, "Content-Type": "application/json"}
        assert (await here.call("PUT", path, admin=True, headers=text, data=f'{{"options": {secret}'))["status"] == 400
        assert here.run.path.read_bytes() == before
        assert list((tmp_path / "secrets").glob("default.*")) == []
        assert await here.hunted() == []


async def test_an_unbind_leaves_nothing(tmp_path: Path, clock: ManualClock) -> None:
    """Neither in the clear nor sealed, in the database, in its log, or in freed pages."""
    async with scene(tmp_path, clock) as here:
        await here.run.reach(State.BOUND)
        await here.bind()
        await here.in_time(lambda: not here.run.now().revoke_pending)
        database = here.run.daemon.journal.path.parent
        assert any(piece in content for piece in here.sealed for content in files(database).values())
        await here.call("POST", "/api/v1/sites/default/unbind?wait=30", admin=True, json={})
        while await here.run.daemon.vault.ids():
            await here.call("GET", "/api/v1/sites/default")
        assert await here.hunted() == []
        left = [name for name, content in files(database).items() for piece in here.sealed if piece in content]
        assert left == []


async def test_a_rekey_tells_no_key(tmp_path: Path, clock: ManualClock) -> None:
    """Neither the passphrase of before nor the new one, nor the keys that are derived from them."""
    async with scene(tmp_path, clock) as here:
        await here.run.reach(State.BOUND)
        await here.note_keys()
        old = list(here.sealed)
        file = put(tmp_path / "secrets", "new-vault-key", here.secrets.new_vault_key)
        print_before = here.run.now().terms
        done = await here.call("POST", "/api/v1/vault/rekey", admin=True, json={"new_key": f"file:{file}"})
        assert done["records"] == 1
        assert await here.run.daemon.vault.get("default-1") is not None
        await here.call("POST", "/api/v1/vault/rekey", admin=True, json={"new_key": here.secrets.vault_key.text})
        assert here.run.now().terms == print_before
        assert await here.hunted() == []
        state = files(here.run.daemon.journal.path.parent)
        assert [name for name, content in state.items() for piece in old if piece in content] == []


def test_a_secret_shows_itself_nowhere() -> None:
    """The one type that holds them all."""
    one = canary("any")
    secret = Secret(one.text)
    shown = f"{secret} {secret!r} {secret!s:>40} {[secret]} {(secret,)} {{'a': secret}} %s" % secret
    assert hunt([one], {"shown": shown, "in a dict": repr({"password": secret})}) == []
