"""A real Active Directory (Samba) with 10,000 users: our directory port against ldap3 used directly.

Both sign in over LDAPS and ask with the same filters for the same attributes: lookups by alias, as many as there are in
a while, and the whole group of everybody, a thousand a page. Ours is one pipelined connection that gives objects of our
own; ldap3 is synchronous, so it runs in threads beside a loop, with one connection and with eight, and its entries are
only counted. Each measurement is a process of its own, `python -m bench.directory SIDE DOMAIN`, so that its peak memory
is its own.

Filling the directory takes more than a minute, the first time; it is kept in `.pytest_cache`. It needs root.
"""

# ruff: noqa: PLC0415
from __future__ import annotations

import asyncio
import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench.limit import within
from bench.processes import PATIENCE, peak
from bench.table import Row, row_of
from tests.directory.stalls import Stalls

if TYPE_CHECKING:
    import ldap3

    from daemon.ports import DirectoryAccess
    from daemon.providers.ldap_directories import LdapDirectories

USERS = 10_000
ROUNDS = 3
LOOKUPS = 2_000
AT_ONCE = 20
THREADS = 8
STALL = 50.0
"""Milliseconds for which nothing may hold the loop."""

CACHE = Path(__file__).resolve().parent.parent / ".pytest_cache" / "d" / "samba-bench"
SIDES = ("ours", "ldap3", "ldap3-threads")
ATTRIBUTES = (
    "objectClass", "objectGUID", "objectSid", "cn", "displayName", "mail", "proxyAddresses", "targetAddress",
    "userAccountControl", "homeMDB", "msExchMailboxGuid",
)  # fmt: skip
"""What our port asks for; written out, so that the other side is charged for nothing of ours."""
FILTER = "(&(|(mail={0})(proxyAddresses=smtp:{0})(userPrincipalName={0}))(|(objectCategory=person)(objectClass=group)))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """Where and how to sign in, and how many there are."""

    server: str
    host: str
    ca_file: str
    base_dn: str
    user: str
    password: str
    users: int
    lookups: int


@dataclass(frozen=True, slots=True)
class Measured:
    """Lookups a second; seconds for everybody; the longest stall of the loop in milliseconds; peak memory in MiB."""

    lookups: float
    everybody: float
    stall: float
    peak: float


def rows(*, quick: bool = False) -> list[Row]:
    """Lookups, everybody, stalls and memory; the sides take turns, and the medians are shown."""
    if os.geteuid() != 0:
        print("directory is left out: a Samba domain controller needs root", file=sys.stderr)
        return []
    users, rounds = (2_500, 1) if quick else (USERS, ROUNDS)
    taken: dict[str, list[Measured]] = {side: [] for side in SIDES}
    with _domain(users, lookups=200 if quick else LOOKUPS) as domain:
        for number in range(rounds):
            for side in SIDES if number % 2 else reversed(SIDES):
                taken[side].append(_in_a_process(side, domain))
    return list(_table(f"{users:,} AD users", taken))


def _table(what: str, taken: dict[str, list[Measured]]) -> Iterator[Row]:
    ours = taken["ours"]
    for side, name in (("ldap3", "ldap3"), ("ldap3-threads", f"ldap3 in {THREADS} threads")):
        yield _row(f"{what}, lookups : {name}", ours, taken[side], lambda one: one.lookups, unit="/s")
    threads = taken["ldap3-threads"]
    yield _row(f"{what}, everybody by pages : ldap3", ours, threads, lambda one: one.everybody * 1e3, unit="ms")
    yield within(f"{what}, longest stall : limit", median(one.stall for one in ours), STALL, unit="ms")
    yield _row(f"{what}, longest stall : ldap3 in threads", ours, threads, lambda one: one.stall, unit="ms")
    yield _row(f"{what}, peak memory : ldap3", ours, taken["ldap3"], lambda one: one.peak, unit="MiB")


def _row(
    name: str, ours: list[Measured], theirs: list[Measured], number: Callable[[Measured], float], *, unit: str
) -> Row:
    pairs = [(number(mine), number(other)) for mine, other in zip(ours, theirs, strict=True)]
    return row_of(name, pairs, unit=unit)


@contextmanager
def _domain(users: int, *, lookups: int) -> Iterator[Domain]:
    """Run the domain controller."""
    from tests.directory.samba import an_address, domain_controller

    cache = CACHE / str(users)
    cache.mkdir(parents=True, exist_ok=True)
    if not any(cache.iterdir()):
        print(f"filling a directory with {users:,} users; this is done once", file=sys.stderr, flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="sitebind-bench-") as folder,
        an_address() as address,
        domain_controller(Path(folder), address, cache=cache, number=users, model="standard") as samba,
    ):
        yield Domain(
            server=samba.address,
            host=samba.server,
            ca_file=samba.ca_file,
            base_dn=samba.base_dn,
            user=samba.user,
            password=samba.password,
            users=users,
            lookups=lookups,
        )


def _in_a_process(side: str, domain: Domain) -> Measured:
    command = [sys.executable, "-m", "bench.directory", side, json.dumps(asdict(domain))]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE)
    if done.returncode:
        raise RuntimeError(f"{side} failed: {done.stderr or done.stdout}")
    return Measured(**json.loads(done.stdout))


# --- the sides --------------------------------------------------------------------------------------


async def ours(domain: Domain) -> Measured:
    """Through the port, as `resolve` does."""
    directories = _directories()
    directory = directories.directory(_access(domain), ca_file=domain.ca_file)
    [crowd] = (await directory.find("crowd@example.test")).objects

    async def look() -> None:
        waiting = iter(_aliases(domain))

        async def one_after_the_other() -> None:
            for alias in waiting:
                if len((await directory.find(alias)).objects) != 1:
                    raise AssertionError(alias)

        await asyncio.gather(*(one_after_the_other() for _ in range(AT_ONCE)))

    async def walk() -> int:
        count = 0
        async for _ in directory.members(crowd):
            count += 1
        return count

    try:
        return await _measured(domain, look, walk)
    finally:
        await directories.close()


def _directories() -> LdapDirectories:
    from daemon.engine.clock import SystemClock
    from daemon.providers.ldap_directories import LdapDirectories
    from daemon.providers.refused_sign_ins import RefusedSignIns
    from daemon.providers.trust import TrustStore

    clock = SystemClock()
    trust, refused = TrustStore(clock.monotonic), RefusedSignIns(clock.monotonic)
    return LdapDirectories(lambda *_: None, clock=clock, trust=trust, refused=refused)


def _access(domain: Domain) -> DirectoryAccess:
    from daemon.ports import DirectoryAccess, Secret

    return DirectoryAccess(
        platform="active-directory",
        server=domain.server,
        base_dn=domain.base_dn,
        user=domain.user,
        password=Secret(domain.password),
    )


async def ldap3_side(domain: Domain, *, threads: int) -> Measured:
    """With ldap3 in threads beside the loop, a connection each."""
    connections = await asyncio.gather(*(asyncio.to_thread(_connected, domain) for _ in range(threads)))

    async def look() -> None:
        aliases = _aliases(domain)
        parts = [aliases[number::threads] for number in range(threads)]
        work = zip(connections, parts, strict=True)
        await asyncio.gather(*(asyncio.to_thread(_looked_over, one, domain, part) for one, part in work))

    async def walk() -> int:
        return await asyncio.to_thread(_paged, connections[0], domain)

    return await _measured(domain, look, walk)


def _connected(domain: Domain) -> ldap3.Connection:
    import ldap3

    tls = ldap3.Tls(
        validate=ssl.CERT_REQUIRED, ca_certs_file=domain.ca_file, valid_names=[domain.host], sni=domain.host
    )
    server = ldap3.Server(domain.server, port=636, use_ssl=True, tls=tls, get_info=ldap3.NONE, connect_timeout=5)
    return ldap3.Connection(server, domain.user, domain.password, receive_timeout=60, auto_bind=True)


def _looked_over(connection: ldap3.Connection, domain: Domain, aliases: list[str]) -> None:
    for alias in aliases:
        connection.search(domain.base_dn, FILTER.format(alias), attributes=ATTRIBUTES)
        if sum(entry["type"] == "searchResEntry" for entry in connection.response) != 1:
            raise AssertionError(alias)


def _paged(connection: ldap3.Connection, domain: Domain) -> int:
    found = connection.extend.standard.paged_search(
        domain.base_dn,
        f"(&(memberOf=CN=The Crowd,OU=Crowd,{domain.base_dn})(|(objectCategory=person)(objectClass=group)))",
        attributes=ATTRIBUTES,
        paged_size=1000,
        generator=True,
    )
    return sum(entry["type"] == "searchResEntry" for entry in found)


def _aliases(domain: Domain) -> list[str]:
    return [f"c{number * 7 % domain.users:05}@alias.test" for number in range(domain.lookups)]


async def _measured(
    domain: Domain, look: Callable[[], Awaitable[None]], walk: Callable[[], Awaitable[int]]
) -> Measured:
    async with Stalls() as stalls:
        begin = time.perf_counter()
        await look()
        looked = time.perf_counter() - begin
        begin = time.perf_counter()
        count = await walk()
        walked = time.perf_counter() - begin
    if count != domain.users:
        raise AssertionError(f"{count} of {domain.users} users came")
    return Measured(domain.lookups / looked, walked, 1e3 * stalls.longest, peak())


def main(side: str, told: str) -> None:
    """Run one side."""
    domain = Domain(**json.loads(told))
    match side:
        case "ours":
            measured = asyncio.run(ours(domain))
        case "ldap3":
            measured = asyncio.run(ldap3_side(domain, threads=1))
        case _:
            measured = asyncio.run(ldap3_side(domain, threads=THREADS))
    print(json.dumps(asdict(measured)))


if __name__ == "__main__":
    main(*sys.argv[1:])
