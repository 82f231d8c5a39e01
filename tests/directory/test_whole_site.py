"""A whole site on premises and in between: Exchange of the sandbox, a real Active Directory, and a daemon over both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from daemon.sandbox import Sandbox, tenant
from states import Fault, State
from tests.clock import ManualClock
from tests.directory.samba import Samba
from tests.running import Options, Running, microsoft_options, running, sandboxed, site_options, steps_of, write

pytestmark = [pytest.mark.parts, pytest.mark.root, pytest.mark.slow]

PATH = "/api/v1/sites/default/resolve"
GROUP = "group=All%20Staff&members=yes"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def sandbox(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Sandbox]:
    async with sandboxed(tmp_path, clock) as sandbox:
        yield sandbox


def on_premises(sandbox: Sandbox, samba: Samba, folder: Path, **directory: str) -> dict[str, dict[str, str]]:
    """Everybody's mailbox is on premises; one file holds both CAs."""
    for person in sandbox.world.tenant.people.values():
        person.mailbox = person.mailbox and "on-premises"
    both = folder / "both.pem"
    both.write_bytes(sandbox.ca_file.read_bytes() + Path(samba.ca_file).read_bytes())
    return {
        **site_options(sandbox, require="mailbox, directory"),
        "account": {
            "smtp_address": tenant.DEMO_MAILBOX,
            "password": f"literal:{tenant.DEMO_MAILBOX_PASSWORD}",
            "impersonation_probe": tenant.DEMO_PROBE,
            "autodiscover_url": sandbox.exchange_url,
            "trusted_hosts": "localhost",
        },
        "directory": {
            "server": samba.address,
            "base_dn": samba.base_dn,
            "user": samba.user,
            "password": f"literal:{samba.password}",
            **directory,
        },
        "connection": {"ca_file": str(both)},
    }


async def report(run: Running) -> dict[str, Any]:
    found = await run.asked("GET", "/api/v1/sites/default/binds?limit=1")
    assert isinstance(found["binds"][0], dict)
    return dict(found["binds"][0])


async def members(path: Path, sections: Options, sandbox: Sandbox, clock: ManualClock) -> dict[str, dict[str, Any]]:
    """The members of All Staff by address, as the API shows them."""
    async with running(write(path, sections), sandbox, clock) as run:
        await run.until(lambda: "default" in run.daemon.driver.snapshots and run.now().state is State.BOUND)
        found = await run.asked("GET", f"{PATH}?{GROUP}")
    assert found["object"]["kind"] == "group"
    return {member["primary_address"]: member for member in found["members"]}


async def test_a_site_on_premises_binds_with_both_steps_passed(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock, samba: Samba
) -> None:
    """Exchange over EWS and Active Directory over LDAPS; the doctor passes every layer of them."""
    path = write(tmp_path / "config.ini", on_premises(sandbox, samba, tmp_path))
    async with running(path, sandbox, clock) as run:
        await run.reach(State.BOUND)
        assert set(steps_of(await report(run)).values()) == {"passed"}
        layers = (await run.asked("POST", "/api/v1/sites/default/doctor"))["layers"]
    assert {layer["status"] for layer in layers} == {"passed"}
    kind = next(layer for layer in layers if layer["step"] == "directory type")
    assert kind["detail"].startswith("microsoft-active-directory fits what was seen: ")
    assert not [secret for secret in (samba.password, tenant.DEMO_MAILBOX_PASSWORD) if secret in str(layers)]


async def test_a_nested_group_has_the_same_members_in_both_directories_and_in_the_same_shape(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock, samba: Samba
) -> None:
    """From Samba over LDAP, and from Microsoft 365 over Graph."""
    cloud = {**site_options(sandbox), "account": microsoft_options(sandbox)}
    for folder in ("graph", "ldap"):
        (tmp_path / folder).mkdir()
    graph = await members(tmp_path / "graph" / "config.ini", cloud, sandbox, clock)
    ldap = await members(tmp_path / "ldap" / "config.ini", on_premises(sandbox, samba, tmp_path), sandbox, clock)
    assert graph.keys() == ldap.keys()
    for address, member in graph.items():
        other = ldap[address]
        assert member.keys() == other.keys()
        same = ("kind", "display_name", "primary_address", "enabled", "mail_enabled")
        assert [member[name] for name in same] == [other[name] for name in same]
        assert set(member["addresses"]) == set(other["addresses"])
    assert {member["source"].partition(":")[0] for member in graph.values()} == {"graph"}
    assert {member["source"].partition(":")[0] for member in ldap.values()} == {"ldap"}


async def test_a_wrong_directory_password_ends_the_bind_there_and_is_mended_without_a_restart(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock, samba: Samba
) -> None:
    """No keys are issued; the doctor names the layer; a changed [directory] applies without a rebind."""
    good = on_premises(sandbox, samba, tmp_path)
    path = write(tmp_path / "config.ini", on_premises(sandbox, samba, tmp_path, password="literal:wrong"))
    async with running(path, sandbox, clock) as run:
        now = await run.reach(State.FAILED)
        assert now.trouble is not None
        assert now.trouble.fault is Fault.DIRECTORY_SIGN_IN_REFUSED
        assert sandbox.calls.get("login", 0) == 0
        layers = (await run.asked("POST", "/api/v1/sites/default/doctor"))["layers"]
        assert [layer["step"] for layer in layers if layer["status"] == "failed"] == ["directory sign-in"]
        write(path, good)
        answer = await run.asked("POST", "/-/reload")
        assert [change["result"] for change in answer["changes"]] == ["applied"]
        assert (await run.rebind()).state is State.BOUND


async def test_microsoft_365_alone_is_contradicted_by_a_mailbox_on_premises(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock, samba: Samba
) -> None:
    """And Active Directory is not contradicted where one answers, though the mailbox is in the cloud."""
    sections = on_premises(sandbox, samba, tmp_path)
    for person in sandbox.world.tenant.people.values():
        person.mailbox = person.mailbox and "microsoft-365"
    hybrid = {**microsoft_options(sandbox), **sections["account"], "directory_type": "microsoft-active-directory"}
    path = write(tmp_path / "config.ini", {**sections, "account": hybrid, "binding": {
        **sections["binding"], "require": "directory",
    }})  # fmt: skip
    async with running(path, sandbox, clock) as run:
        await run.reach(State.BOUND)
        layers = (await run.asked("POST", "/api/v1/sites/default/doctor"))["layers"]
    found = {layer["step"]: layer["status"] for layer in layers}
    assert found["directory type"] == "passed"
    assert found["microsoft 365 impersonation"] == "passed"
    assert found["autodiscover"] == "failed"
