"""Nothing secret leaves the process, whatever goes wrong; and what does leave it as a log can be read by machines."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from daemon.sandbox import World, small_world
from daemon.sandbox.tenant import DEMO_PROBE
from daemon.sandbox.world import (
    DEMO_ACCOUNT_CODE,
    DEMO_APPLICATION_ID,
    DEMO_CLIENT_ID,
    DEMO_EMAIL,
    Application,
    ServiceApplication,
)
from tests.acceptance.calls import Api
from tests.acceptance.canaries import dresses, leaks
from tests.acceptance.processes import Program, a_free_port, console_script, sitebind
from tests.acceptance.simulated import Simulated
from tests.running import ini, write

pytestmark = pytest.mark.slow

CANARIES = {
    "password": 'pä"ss\\wörd/+%& of canary one',
    "application key": "0b8e6d14-canary-two-6f3d2e7cb002",
    "client secret": "client?secret/canary+three=~ü",
    "API token": "token-canary-four-3fX9q",
    "account passphrase": "passphrase canary <five> 'ß'",
    "one-time password": "one\\time&password canary six",
    "rotated password": "röt@ted:canary;seven",
    "mailbox password": "mailbox{}canary eight",
}
# Each ends a bind in another way, and says something else.
TROUBLES = (
    "wrong-password",
    "locked-account",
    "bad-application",
    "missing-role",
    "throttled",
    "service-error",
    "empty-body",
    "malformed-body",
    "wrong-shape",
    "reset",
    "half-body",
    "clock-skew",
    "untrusted-base",
    "forged-certificate",
)


def secretive_world() -> World:
    """The demo's world with other secrets."""
    world = small_world()
    account = world.accounts[DEMO_ACCOUNT_CODE]
    world.add_account(replace(account, passphrase=CANARIES["account passphrase"]))
    world.set_password(DEMO_EMAIL, CANARIES["password"])
    world.add_application(Application(application_id=DEMO_APPLICATION_ID, application_key=CANARIES["application key"]))
    world.add_service_application(
        ServiceApplication(
            client_id=DEMO_CLIENT_ID, client_secret=CANARIES["client secret"], account_code=DEMO_ACCOUNT_CODE
        )
    )
    # The mailbox account of both sites, on premises.
    person = world.tenant.people[DEMO_EMAIL]
    person.password, person.mailbox, person.may_impersonate = CANARIES["mailbox password"], "on-premises", True
    world.tenant.people[DEMO_PROBE].mailbox = "on-premises"
    return world


class Office:
    """A folder with a site for each version of the API, and everything that comes out of its daemon."""

    def __init__(self, folder: Path, simulated: Simulated) -> None:
        folder.mkdir()
        self.folder = folder
        self.api = Api(a_free_port())
        self.connection = {"ca_file": str(simulated.ca_file)}
        self.addresses = simulated
        self.seen: dict[str, bytes] = {}
        self._write("daemon", {"daemon": {
            "listen": f"127.0.0.1:{self.api.port}",
            "api_token": f"literal:{CANARIES['API token']}",
            "log_format": "json",
            "log_level": "debug",
        }})  # fmt: skip
        self.write_cloud(password=CANARIES["password"])
        self._write("apps", self._site(self.addresses.services_url, {
            "authentication_type": "application",
            "client_id": DEMO_CLIENT_ID,
            "client_secret": f"literal:{CANARIES['client secret']}",
        }))  # fmt: skip

    def write_cloud(self, *, password: str) -> str:
        """The site that signs in as a user; its text."""
        return self._write("cloud", self._site(self.addresses.global_url, {
            "email": DEMO_EMAIL,
            "password": f"literal:{password}",
            "application_id": DEMO_APPLICATION_ID,
            "application_key": f"literal:{CANARIES['application key']}",
        }))  # fmt: skip

    def _site(self, url: str, sign_in: dict[str, str]) -> dict[str, dict[str, str]]:
        return {
            "account": {
                "smtp_address": DEMO_EMAIL,
                "password": f"literal:{CANARIES['mailbox password']}",
                "impersonation_probe": DEMO_PROBE,
                "autodiscover_url": self.addresses.exchange_url,
                "trusted_hosts": "localhost",
            },
            # A trouble strikes the mailbox first; not required, it does not keep the bind from going on.
            "binding": {"service_url": url, "trusted_suffixes": "localhost", "require": "none", **sign_in},
            "connection": self.connection,
        }

    def _write(self, name: str, sections: dict[str, dict[str, str]]) -> str:
        write(self.folder / f"{name}.ini", sections)
        return ini(sections)

    def look(self, label: str) -> None:
        """Keep what every reading call and command answers now."""
        paths = ["/api/v1/sites", "/api/v1/audit?limit=1000", "/metrics", "/-/ready", "/-/healthy", "/openapi.json"]
        for site in ("cloud", "apps"):
            paths += [f"/api/v1/sites/{site}", f"/api/v1/sites/{site}/binds"]
            paths += [f"/api/v1/sites/{site}/binds/{quote(bind['id'])}" for bind in self.api.binds(site)]
        for path in paths:
            self.keep(f"{label}: GET {path}", self.api.ask("GET", path).text)

    def commands(self, label: str) -> None:
        """Keep what the command line says."""
        for words in (("status",), ("status", "--json"), ("reload",), ("check-config", "--secrets"),
                      ("audit", "tail", "-n", "1000"), ("audit", "export"),
                      ("audit", "export", "--format", "csv")):  # fmt: skip
            said = sitebind(*words, "--config", self.folder)
            self.keep(f"{label}: sitebind {' '.join(words)}", said.out + said.err)

    def keep(self, place: str, text: str) -> None:
        assert text, place
        self.seen[place] = text.encode()

    def files(self) -> dict[str, bytes]:
        """Everything the daemon left in the folder; the configuration is the administrator's."""
        return {
            path.name: path.read_bytes() for path in self.folder.iterdir() if path.is_file() and path.suffix != ".ini"
        }


@pytest.fixture
def world() -> World:
    return secretive_world()


@pytest.fixture
def office(tmp_path: Path, world: World) -> Iterator[Office]:
    folder = tmp_path / "mimecast"
    folder.mkdir()
    with Simulated(folder, world) as simulated:
        yield Office(tmp_path / "office", simulated)


def one_time(office: Office, password: str) -> None:
    """A bind with credentials that are nowhere written down."""
    answer = office.api.ask(
        "POST",
        "/api/v1/sites/cloud/rebind?wait=30",
        {"email": DEMO_EMAIL, "password": password, "reason": "with one-time credentials"},
        headers={"Authorization": f"Bearer {CANARIES['API token']}"},
    )
    assert answer.status == 200, answer
    office.keep(f"one-time {answer.json['id']}", answer.text)


def break_the_file(office: Office) -> None:
    """Mistakes that put a secret where a finding would quote what it found."""
    good = office.write_cloud(password=CANARIES["rotated password"])
    secret = f"literal:{CANARIES['rotated password']}"
    mistakes = {
        "misspelt": good.replace("password", "pass_word"),
        "indented": good.replace("application_key", "  application_key"),
        "elsewhere": good.replace("email = ", f"directory_type = {secret}\n"),
        "no option": good.replace("password = literal:", ""),
        "twice": good + f"\n[binding]\npassword = {secret}\n",
        "in the address": good.replace("service_url = https://", f"service_url = https://me:{quote(secret)}@"),
    }
    for name, text in mistakes.items():
        (office.folder / "cloud.ini").write_text(text)
        answer = office.api.ask("POST", "/-/reload")
        assert (answer.status, answer.json["outcome"]) == (422, "rejected"), (name, answer)
        office.keep(f"reload, {name}", answer.text)
        office.look(f"the file is broken, {name}")
    office.commands("the file is broken")
    office.write_cloud(password=CANARIES["rotated password"])


def test_no_secret_is_in_any_log_metric_answer_report_record_or_file(office: Office, world: World) -> None:
    """Two sites bind, fail in fourteen ways, get one-time credentials, broken files and a rotated password."""
    issued: dict[str, str] = {}
    faults: set[str | None] = set()

    def remember() -> None:
        for number, key in enumerate(world.keys):
            issued[f"secret key {key.access_key[:6]} {number}"] = key.secret_key
            issued[f"access key {number} {key.access_key[:6]}"] = key.access_key

    with Program([*console_script(), "run", "--config", office.folder]) as program:
        program.line("listening on")
        for site in ("cloud", "apps"):
            office.api.reach("bound", site=site)
        remember()
        office.look("bound")
        for trouble in TROUBLES:
            office.addresses.trouble(trouble)
            for site in ("cloud", "apps"):
                answer = office.api.ask("POST", f"/api/v1/sites/{site}/rebind?wait=30")
                assert answer.status == 200, answer
                faults.add(answer.json["fault"])
                office.keep(f"{trouble} at {site}", answer.text)
            office.look(trouble)
            office.addresses.heal()
        one_time(office, CANARIES["one-time password"])
        one_time(office, CANARIES["password"])
        remember()
        office.addresses.set_password(DEMO_EMAIL, CANARIES["rotated password"])
        break_the_file(office)
        assert office.api.ask("POST", "/-/reload").json["outcome"] == "applied"
        office.api.reach("bound", site="cloud")
        remember()
        office.look("mended")
        office.commands("mended")
        while_it_runs = office.files()
        assert program.stop() == 0
        office.seen |= {"standard output": program.out.encode(), "log": program.err.encode()}

    assert len(issued) >= 4
    files = {f"{name}, stopped": content for name, content in office.files().items()}
    assert {"sitebind.db", "sitebind.db-wal"} <= while_it_runs.keys()
    everything = office.seen | while_it_runs | files
    assert leaks(CANARIES | issued, everything) == []
    # The places were really searched: what is no secret is found in nearly each of them.
    found = leaks({"account": DEMO_ACCOUNT_CODE}, everything)
    for place in ("bound: GET /api/v1/sites", "mended: sitebind audit tail", "sitebind.db, stopped"):
        assert any(f"account as raw in {place}" in line for line in found), place
    log = [json.loads(line) for line in program.err.splitlines()]
    assert len([line for line in log if re.match(r"bind step \w+ failed", line["message"])]) >= len(TROUBLES)
    assert len(faults) >= 8, faults


@pytest.mark.parametrize("name", CANARIES)
def test_the_search_finds_a_secret_in_every_dress(name: str) -> None:
    """Else the test above would prove nothing."""
    secret = CANARIES[name]
    for dress, form in dresses(secret):
        assert f"{name} as {dress} in somewhere" in leaks({name: secret}, {"somewhere": b"before " + form + b" after"})
    for before in ("", "user:", "me@example.test:"):
        basic = base64.b64encode(f"{before}{secret}".encode())
        assert leaks({name: secret}, {"a header": b"Authorization: Basic " + basic})
    assert not leaks({name: secret}, {"elsewhere": b"nothing of the kind"})


def test_json_log_lines_parse_and_name_site_attempt_and_request(office: Office) -> None:
    with Program([*console_script(), "run", "--config", office.folder]) as program:
        program.line("listening on")
        office.api.reach("bound", site="cloud")
        asked = office.api.ask("POST", "/api/v1/sites/cloud/rebind?wait=30", headers={"X-Request-ID": "from-a-test-17"})
        assert asked.headers["x-request-id"] == "from-a-test-17"
        assert office.api.ask("GET", "/api/v1/sites/nowhere", headers={"X-Request-ID": "lost-18"}).status == 404
        assert program.stop() == 0
    lines = [json.loads(line) for line in program.err.splitlines()]
    assert all({"at", "level", "logger", "message"} <= line.keys() for line in lines)
    (began,) = [line for line in lines if line.get("request_id") == "from-a-test-17" and "binding" in line["message"]]
    assert (began["site"], began["attempt"], began["level"]) == ("cloud", asked.json["attempt"], "info")
    assert [line["level"] for line in lines if line.get("request_id") == "lost-18"] == ["info"]
    recorded = [r for r in office_records(office) if r["request_id"] == "from-a-test-17"]
    assert [record["event"] for record in recorded] == ["bind_requested"]


def office_records(office: Office) -> list[dict[str, str]]:
    said = sitebind("audit", "export", "--config", office.folder)
    assert said.code == 0, said
    return [json.loads(line) for line in said.out.splitlines()]
