"""OpenLDAP on free ports of loopback: a directory server that is no Active Directory."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Self

from tests.directory.certificates import Authority
from tests.directory.samba import LONGEST, program

BASE_DN = "dc=example,dc=test"
ADMIN = f"cn=admin,{BASE_DN}"
PASSWORD = "open sesame 4711"

CONFIGURATION = """include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile {folder}/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCACertificateFile {ca}
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
database mdb
suffix "{base}"
rootdn "{admin}"
rootpw {password}
directory {folder}/data
"""
ENTRIES = f"""dn: {BASE_DN}
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: cn=Ada Lovelace,{BASE_DN}
objectClass: inetOrgPerson
cn: Ada Lovelace
sn: Lovelace
mail: ada.lovelace@example.test
"""


class OpenLdap:
    """`port` speaks LDAP and StartTLS, `tls_port` LDAPS."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.folder = folder
        self.ca_file = str(authority.ca_file)
        self.port, self.tls_port = _free_port(), _free_port()
        self._pair = authority.server("openldap", names=("localhost", "127.0.0.1"))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        slapd, configuration = program("slapd"), self._configured()
        filled = [slapd, "-T", "add", "-q", "-f", str(configuration)]
        subprocess.run(filled, input=ENTRIES.encode(), check=True, capture_output=True, timeout=LONGEST)
        urls = f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tls_port}"
        with (self.folder / "said").open("ab") as said:
            command = [slapd, "-f", str(configuration), "-h", urls, "-d", "0"]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        end = time.monotonic() + LONGEST
        while not _listens(self.port):
            assert self._process.poll() is None, (self.folder / "said").read_text()
            assert time.monotonic() < end, "slapd does not listen"
            threading.Event().wait(0.02)
        return self

    def _configured(self) -> Path:
        (self.folder / "data").mkdir()
        configuration = self.folder / "slapd.conf"
        configuration.write_text(
            CONFIGURATION.format(
                folder=self.folder,
                ca=self.ca_file,
                certificate=self._pair.certificate,
                key=self._pair.key,
                base=BASE_DN,
                admin=ADMIN,
                password=f'"{PASSWORD}"',
            )
        )
        return configuration

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(LONGEST)
            finally:
                self._process.kill()


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port: int = server.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with closing(socket.socket()) as one:
        return one.connect_ex(("127.0.0.1", port)) == 0
