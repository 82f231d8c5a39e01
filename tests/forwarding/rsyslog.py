"""Debian's rsyslog on loopback, with a configuration of our own: what it took, as it understood it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.acceptance.processes import Program, a_free_port, until

_CONFIG = """\
global(workDirectory="{folder}" maxMessageSize="64k" {tls_files})
module(load="imtcp" {tls_driver})
template(name="heard" type="list" option.jsonf="on") {{
  property(outname="msgid" name="msgid" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="program" name="app-name" format="jsonf")
  property(outname="facility" name="syslogfacility" format="jsonf")
  property(outname="at" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="data" name="structured-data" format="jsonf")
  property(outname="text" name="msg" format="jsonf")
  property(outname="raw" name="rawmsg" format="jsonf")
}}
ruleset(name="taken") {{ action(type="omfile" file="{folder}/heard" template="heard") }}
input(type="imtcp" address="127.0.0.1" port="{port}" ruleset="taken")
"""
_DRIVER = 'StreamDriver.Name="ossl" StreamDriver.Mode="1" StreamDriver.AuthMode="{mode}"'


@dataclass(frozen=True, kw_only=True)
class Tls:
    """PEM files of the receiver; `demand` asks for a certificate from the CA."""

    ca: Path
    certificate: Path
    key: Path
    demand: bool = False

    def files(self) -> str:
        names = {"CAFile": self.ca, "CertFile": self.certificate, "KeyFile": self.key}
        return " ".join(f'DefaultNetstreamDriver{name}="{path}"' for name, path in names.items())


@dataclass
class Rsyslog:
    """One that can be started again on its port; what it wrote stays."""

    folder: Path
    tls: Tls | None = None
    port: int = field(default_factory=a_free_port)

    @contextmanager
    def running(self) -> Iterator[Program]:
        """Started, and listening."""
        self.folder.mkdir(exist_ok=True)
        tls = self.tls
        text = _CONFIG.format(
            folder=self.folder,
            port=self.port,
            tls_files=tls.files() if tls else "",
            tls_driver=_DRIVER.format(mode="x509/certvalid" if tls and tls.demand else "anon") if tls else "",
        )
        (self.folder / "rsyslog.conf").write_text(text)
        words = ["rsyslogd", "-n", "-f", self.folder / "rsyslog.conf", "-i", self.folder / "pid"]
        with Program(words, cwd=self.folder) as program:
            until(lambda: _listens(self.port), f"rsyslog listens: {program.err}")
            yield program

    def heard(self) -> list[dict[str, Any]]:
        """Every message that it wrote; a line that it is just writing is none yet."""
        return [_message(line) for line in self._written().splitlines()]

    def count(self) -> int:
        """How many that are."""
        return self._written().count(b"\n")

    def last(self) -> dict[str, Any] | None:
        """The newest of them."""
        lines = self._written()[-65536:].splitlines()
        return _message(lines[-1]) if lines else None

    def _written(self) -> bytes:
        file = self.folder / "heard"
        whole, end, _ = file.read_bytes().rpartition(b"\n") if file.exists() else (b"", b"", b"")
        return whole + end


def _message(line: bytes) -> dict[str, Any]:
    """Behind half a line that a killed one left, if there is one."""
    message: dict[str, Any] = json.loads(line[line.rindex(b'{"msgid":') :])
    return message


def _listens(port: int) -> bool:
    wanted = f"0100007F:{port:04X} 00000000:0000 0A"
    return wanted in Path("/proc/net/tcp").read_text(encoding="ascii")
