"""A real Active Directory on loopback: Samba as domain controller, filled with the demo's company and 2,500 more users.

The fixture `samba` gives it, for the whole run and to whoever imports the fixture. It listens on the standard ports of
the first free address of 127.0.0.53 to .60; nothing leaves loopback. Needs root.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.directory.certificates import Authority, Pair
from tests.directory.company import CROWD, PASSWORD, SERVICE, crowd, everybody_else

LONGEST = 60.0
"""Seconds after which a server that does not answer is broken."""

DOMAIN = "ad.example.test"
BASE_DN = "DC=ad,DC=example,DC=test"
HOST = f"dc1.{DOMAIN}"
SYSTEM_PYTHON = "/usr/bin/python3"
"""The one that has Samba's modules."""

_SEARCHED = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
_MUTEX = 38953
_LOOK_AGAIN = 0.02
_FORM = 1
"""Raised when `populate.py` does something else with the same orders."""

CONFIGURATION = """[global]
netbios name = DC1
realm = {realm}
workgroup = ADTEST
server role = active directory domain controller
interfaces = {address}/8
bind interfaces only = yes
private dir = {folder}/private
state directory = {folder}/state
cache directory = {folder}/cache
lock directory = {folder}
binddns dir = {folder}/bind-dns
pid directory = {folder}/run
ncalrpc dir = {folder}/run/ncalrpc
log file = {folder}/log.%m
dns forwarder = {address}
server services = ldap cldap kdc dns
disable netbios = yes
ldap server require strong auth = {strong}
tls enabled = yes
tls cafile = {ca}
tls certfile = {certificate}
tls keyfile = {key}
"""


def program(name: str) -> str:
    """Where the command is. A missing part is an error: `tests/parts/install` brings it."""
    found = shutil.which(name, path=_SEARCHED)
    assert found is not None, f"{name} is not installed; run tests/parts/install"
    return found


@dataclass(slots=True)
class Samba:
    """The domain controller. `server` is what [directory] server would say, `address` where DNS answers, too.

    `model`: "single" is one process that can be frozen, "standard" one for each connection.
    """

    folder: Path
    address: str
    authority: Authority
    certificate: Pair
    server: str = HOST
    base_dn: str = BASE_DN
    user: str = f"{SERVICE}@{DOMAIN}"
    password: str = PASSWORD
    model: str = "single"
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def ca_file(self) -> str:
        """What has to be trusted."""
        return str(self.authority.ca_file)

    @property
    def data(self) -> Path:
        """Where the directory lies."""
        return self.folder / "samba"

    @property
    def configuration(self) -> Path:
        """Its smb.conf."""
        return self.data / "etc" / "smb.conf"

    def provision(self) -> None:
        """Make the domain."""
        self._run(
            "samba-tool",
            "domain",
            "provision",
            "--use-rfc2307",
            f"--realm={DOMAIN.upper()}",
            "--domain=ADTEST",
            "--server-role=dc",
            "--dns-backend=SAMBA_INTERNAL",
            "--adminpass=P@ssw0rd!2026",
            "--host-name=dc1",
            f"--host-ip={self.address}",
            f"--targetdir={self.data}",
        )
        (self.data / "run" / "ncalrpc").mkdir(parents=True, exist_ok=True)
        self.configure()

    def configure(self, *, strong: str = "yes", certificate: Pair | None = None) -> None:
        """Write the configuration; it holds from the next start. `strong`: yes refuses sign-ins in the clear."""
        pair = certificate or self.certificate
        self.configuration.write_text(
            CONFIGURATION.format(
                realm=DOMAIN.upper(),
                address=self.address,
                folder=self.data,
                strong=strong,
                ca=self.authority.ca_file,
                certificate=pair.certificate,
                key=pair.key,
            )
        )

    def populate(self, orders: Iterable[list[object]]) -> None:
        """Carry out orders (see `populate.py`), in the files; the server need not run."""
        script = Path(__file__).with_name("populate.py")
        lines = "".join(f"{json.dumps(order)}\n" for order in orders)
        database = self.data / "private" / "sam.ldb"
        # -P: this very module must not be taken for Samba's.
        self._run(SYSTEM_PYTHON, "-P", str(script), str(database), str(self.configuration), said=lines)

    def keytab(self, principal: str, path: Path) -> Path:
        """Write the keys of a user, or of a service by its name, to `path`."""
        self._run(
            "samba-tool", "domain", "exportkeytab", str(path), f"--principal={principal}", f"-s{self.configuration}"
        )
        return path

    def save(self, snapshot: Path) -> None:
        """Pack the directory, while it does not run; beside it only the newest two packs are kept."""
        packs = sorted(snapshot.parent.glob("*.tar.gz"), key=lambda pack: pack.stat().st_mtime)
        for old in packs[:-2]:
            old.unlink(missing_ok=True)
        fresh = snapshot.with_suffix(f".{os.getpid()}")
        self._run("tar", "-C", str(self.folder), "-czf", str(fresh), "samba")
        fresh.rename(snapshot)

    def restore(self, snapshot: Path) -> None:
        """Unpack what `save` packed."""
        self._run("tar", "-C", str(self.folder), "-xzf", str(snapshot))
        self.configure()

    def start(self) -> None:
        """Start, and wait until LDAP and LDAPS are answered."""
        command = [program("samba"), "-F", "--no-process-group", "-s", str(self.configuration), f"--model={self.model}"]
        with (self.folder / "said").open("ab") as said:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        end = time.monotonic() + LONGEST
        while not all(self._listens(port) for port in (389, 636, 53)):
            assert self._process.poll() is None, f"samba ended: {self._story()}"
            assert time.monotonic() < end, f"samba does not listen: {self._story()}"
            _pause()

    def stop(self, *, at_once: bool = False) -> None:
        """End it, in order or as a crash would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL if at_once else signal.SIGTERM)
            try:
                self._process.wait(LONGEST)
            finally:
                self._process.kill()
            self._process = None

    def freeze(self) -> None:
        """Answer nothing, and keep every connection."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Answer again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def restart(self, *, strong: str = "yes", certificate: Pair | None = None) -> None:
        """Stop and start with another configuration; without arguments with the usual one."""
        self.stop()
        self.configure(strong=strong, certificate=certificate)
        self.start()

    def _listens(self, port: int) -> bool:
        with closing(socket.socket()) as one:
            return one.connect_ex((self.address, port)) == 0

    def _run(self, *command: str, said: str = "") -> None:
        path = program(command[0]) if "/" not in command[0] else command[0]
        done = subprocess.run(
            [path, *command[1:]], input=said, capture_output=True, text=True, timeout=900, check=False, cwd=self.folder
        )
        assert done.returncode == 0, f"{command[0]} failed: {done.stdout[-2000:]}{done.stderr[-4000:]}"

    def _story(self) -> str:
        return (self.folder / "said").read_text(errors="replace")[-2000:]


@contextmanager
def domain_controller(
    folder: Path, address: str, *, cache: Path | None = None, number: int = CROWD, model: str = "single"
) -> Iterator[Samba]:
    """Make, fill and run one. The crowd takes long, so it is packed, and unpacked by the next run from `cache`."""
    authority = Authority(folder / "ca", "Directory tests CA")
    certificate = authority.server("dc1", names=(HOST, DOMAIN, address))
    samba = Samba(folder=folder, address=address, authority=authority, certificate=certificate, model=model)
    orders = list(crowd(BASE_DN, number=number))
    snapshot = (cache or folder) / f"{_fingerprint(orders, address)}.tar.gz"
    if snapshot.exists():
        samba.restore(snapshot)
    else:
        samba.provision()
        samba.populate(orders)
        samba.save(snapshot)
    samba.populate(everybody_else(BASE_DN))
    samba.start()
    try:
        yield samba
    finally:
        samba.stop()


def _fingerprint(orders: list[list[object]], address: str) -> str:
    """Of all that decides what is in a snapshot."""
    version = subprocess.run([program("samba"), "--version"], capture_output=True, check=True, text=True).stdout
    return hashlib.sha256(json.dumps([orders, version, address, _FORM]).encode()).hexdigest()[:20]


@contextmanager
def an_address() -> Iterator[str]:
    """An address of loopback whose standard ports are free, kept from other runs of the suite meanwhile."""
    for last in range(53, 61):
        address = f"127.0.0.{last}"
        try:
            with socket.create_server((address, _MUTEX)):
                for port in (53, 88, 389, 636):
                    socket.create_server((address, port)).close()
                yield address
                return
        except OSError:
            continue
    raise AssertionError("no address of 127.0.0.53 to .60 has its standard ports free for a domain controller")


@contextmanager
def _the_one(cache: Path | None) -> Iterator[Samba]:
    with (
        an_address() as address,
        tempfile.TemporaryDirectory(prefix="sitebind-samba-") as folder,
        domain_controller(Path(folder), address, cache=cache) as samba,
    ):
        yield samba


_USERS: list[object] = []
_RUNNING = ExitStack()
_SAMBA: list[Samba] = []


@pytest.fixture(scope="session")
def samba(request: pytest.FixtureRequest) -> Iterator[Samba]:
    """The domain controller, running; one for all folders of tests that import this.

    Making it takes half a minute; the longer part of that is kept in pytest's cache.
    """
    # There is none where pytest runs without its cache.
    cache, user = getattr(request.config, "cache", None), object()
    _USERS.append(user)
    if not _SAMBA:
        _SAMBA.append(_RUNNING.enter_context(_the_one(cache.mkdir("samba") if cache else None)))
    yield _SAMBA[0]
    _USERS.remove(user)
    if not _USERS:
        _SAMBA.clear()
        _RUNNING.close()


def _pause() -> None:
    """Give a process that is starting a moment; there is nothing to wait on."""
    threading.Event().wait(_LOOK_AGAIN)
