"""What `sitebind diagnostics` puts together: from this host, from the running daemon, and from the database alone."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from daemon import __version__
from daemon.cli.bundle import Bundle
from daemon.cli.client import Client
from daemon.cli.exits import Exit, Failure
from daemon.cli.place import daemon_settings, reading

RECORDS: Final = 200
REPORTS: Final = 20
LINES: Final = 500
MOST_SITES: Final = 20
"""Sites of which bind reports and the doctor's are taken, those that are not bound first."""
PATIENCE: Final = 300.0

_VARIABLES: Final = (
    "CREDENTIALS_DIRECTORY", "HTTPS_PROXY", "HTTP_PROXY", "KRB5CCNAME", "KRB5_CONFIG", "LANG", "NOTIFY_SOCKET",
    "NO_PROXY", "SITEBIND_CONFIG", "SITEBIND_TOKEN", "SSL_CERT_DIR", "SSL_CERT_FILE", "TZ", "https_proxy", "no_proxy",
)  # fmt: skip
_NO_DAEMON: Final = "no daemon answered, and only it knows this"

Site = dict[str, Any]


def add_versions(bundle: Bundle) -> None:
    """Every version that may matter, and which variables are set, without their values."""
    bundle.document("versions.json", "versions of sitebind and of what it runs on", _versions)


def _versions() -> dict[str, Any]:
    import sqlite3
    import ssl
    from importlib.metadata import distributions

    return {
        "sitebind": __version__,
        "python": sys.version,
        "openssl": ssl.OPENSSL_VERSION,
        "sqlite": sqlite3.sqlite_version,
        "system": platform.platform(),
        "distribution": _distribution(),
        "libc": " ".join(platform.libc_ver()),
        "variables_set": [name for name in _VARIABLES if name in os.environ],
        "packages": dict(sorted((one.name, one.version) for one in distributions() if one.name)),
    }


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "unknown")
    except OSError:
        return "unknown"


def add_configuration(bundle: Bundle, path: Path) -> None:
    """Where each option stands, and the places of all findings: neither values nor words that may quote one."""
    from daemon.config.ini import all_problems
    from daemon.config.provenance import provenance

    def document() -> dict[str, Any]:
        from dataclasses import asdict

        problems = [
            {"file": one.file, "line": one.line, "section": one.section, "option": one.option, "severity": one.severity}
            for one in all_problems(reading(path))
        ]
        return {"path": str(path), "files": [asdict(file) for file in provenance(path)], "findings": problems}

    bundle.document("configuration.json", "options: given or not, where; values of choices and numbers", document)


def add_daemon(bundle: Bundle, daemon: Client, *, site: str | None, doctor: bool) -> None:
    """Everything that the running daemon tells of itself."""
    sites: list[Site] = []

    def asked_for_sites() -> dict[str, Any]:
        path = "/api/v1/sites" if site is None else f"/api/v1/sites/{quote(site, safe='')}"
        body = daemon.get(path).body
        sites.extend(body.get("sites", []) if site is None else [body])
        return body

    bundle.document("sites.json", "state and problems of each site", asked_for_sites)
    for name in ("healthy", "ready"):
        body = _Asked(daemon, f"/-/{name}", expected=(200, 503))
        bundle.document(f"health/{name}.json", f"the answer of /-/{name}", body)
    of_site = "" if site is None else f"&site={quote(site, safe='')}"
    records = _Asked(daemon, f"/api/v1/audit?order=desc&limit={RECORDS}{of_site}")
    bundle.document("audit.json", f"the last {RECORDS} audit records, newest first", records)
    bundle.document("chain.json", "whether the audit chain is intact", _Asked(daemon, "/api/v1/audit/chain", PATIENCE))
    bundle.text("metrics.txt", "the metrics page", lambda: daemon.text("/metrics"))
    _add_each_site(bundle, daemon, sites, doctor=doctor)
    # Last, so that what the doctor met is in it.
    bundle.text("log.txt", f"the last {LINES} log lines", lambda: _log(daemon))


def _add_each_site(bundle: Bundle, daemon: Client, sites: Sequence[Site], *, doctor: bool) -> None:
    in_order = sorted(sites, key=lambda site: site.get("state") == "bound")
    for site in in_order[:MOST_SITES]:
        name = quote(str(site.get("id")), safe="")
        binds = _Asked(daemon, f"/api/v1/sites/{name}/binds?limit={REPORTS}")
        bundle.document(f"binds/{name}.json", f"the newest {REPORTS} bind reports", binds)
        if doctor:
            bundle.document(f"doctor/{name}.json", "the doctor's report", _Examined(daemon, name))
    if not doctor:
        bundle.without("doctor/", "--no-doctor was given")
    if len(in_order) > MOST_SITES:
        more = f"of {len(in_order)} sites the {MOST_SITES} that are worst off are in it; name another with --site SITE"
        bundle.without("binds/ and doctor/ of further sites", more)


class _Asked:
    """A question that is put when the bundle takes its answer."""

    def __init__(self, daemon: Client, path: str, timeout: float = 30.0, *, expected: tuple[int, ...] = (200,)) -> None:
        self._daemon = daemon
        self._path = path
        self._timeout = timeout
        self._expected = expected

    def __call__(self) -> dict[str, Any]:
        return self._daemon.get(self._path, timeout=self._timeout, expected=self._expected).body


class _Examined:
    """The doctor, who signs in nowhere."""

    def __init__(self, daemon: Client, name: str) -> None:
        self._daemon = daemon
        self._name = name

    def __call__(self) -> dict[str, Any]:
        return self._daemon.post(f"/api/v1/sites/{self._name}/doctor", {}, timeout=PATIENCE).body


def _log(daemon: Client) -> str:
    lines = daemon.get(f"/api/v1/logs?limit={LINES}").body.get("lines")
    return "".join(f"{line}\n" for line in lines or [])


def add_alone(bundle: Bundle, path: Path | None, *, site: str | None) -> None:
    """What can be had without a daemon: the end of the audit trail, from the database."""
    bundle.document("audit.json", f"the last {RECORDS} audit records, oldest first", lambda: _records(path, site))
    for name in ("sites.json", "health/", "chain.json", "metrics.txt", "binds/", "log.txt"):
        bundle.without(name, _NO_DAEMON)
    bundle.without("doctor/", "no daemon answered; `sitebind doctor` examines the configuration without one")


def _records(path: Path | None, site: str | None) -> dict[str, Any]:
    import sqlite3
    from dataclasses import asdict

    from daemon.ports import JournalUnavailable
    from daemon.store.audit import tail_file

    if path is None:
        raise Failure("there is no configuration that would say where the database is", Exit.USAGE)
    database = daemon_settings(path, otherwise="Mend them: they say where the database is.").database
    if not database.is_file():
        raise Failure(f"{database}: there is no such database", Exit.FAILED)
    try:
        return {"records": [asdict(record) for record in tail_file(database, site=site, limit=RECORDS)]}
    except JournalUnavailable as error:
        raise Failure(str(error), Exit.FAILED) from None
    except sqlite3.Error as error:
        raise Failure(f"the database cannot be read: {error}", Exit.FAILED) from None
