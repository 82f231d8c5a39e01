"""Configuration files to frozen settings, or every problem at once. Called by the engine and by `check-config`.

A configuration is one file with all sections, or a folder: `daemon.ini` with [daemon] and one `*.ini` a site.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from daemon.config import rules, values
from daemon.config.form import Form, fill_in
from daemon.config.model import (
    AccountSettings,
    BindingSettings,
    ConnectionSettings,
    DaemonSettings,
    DirectorySettings,
    FileProblem,
    Reading,
    SiteFile,
    SiteSettings,
)
from daemon.config.options import SECTION_NAMES
from daemon.config.problems import BadValue
from daemon.config.textfile import Content, Unreadable, is_folder, read_small

LARGEST_FILE = 1024 * 1024
DAEMON_FILE = "daemon.ini"
SITE_SECTIONS = tuple(name for name in SECTION_NAMES if name != "daemon")
_NOT_IN_A_SITE = {"daemon": f"in a folder of sites [daemon] belongs in {DAEMON_FILE}"}
_NOT_IN_DAEMON = dict.fromkeys(SITE_SECTIONS, f"a site has its own file beside {DAEMON_FILE}, for example site.ini")


def read_config(path: Path) -> Reading:
    """Everything that is configured under `path`, with every finding. Never raises for what it finds; blocks."""
    return _folder(path) if is_folder(path) else _single(path)


def reading_of(path: Path, content: Content, *, in_folder: bool) -> Reading:
    """What the site's file at `path` means with this content; in a folder it is one of many sites. Does not block."""
    if not in_folder:
        return _of_single(path, content)
    return Reading(daemon=None, sites=(_of_one_of_many(path, content)[0],))


def default_daemon(path: Path) -> DaemonSettings:
    """The [daemon] settings of a configuration that says nothing about them: what `path` alone decides."""
    folder = path.absolute() if is_folder(path) else path.absolute().parent
    database = folder / DaemonSettings().database
    return DaemonSettings(database=database, socket=_socket_beside(database))


def _socket_beside(database: Path) -> Path | None:
    """The socket where none is configured; none where its name would be too long for one."""
    path = database.with_suffix(".sock")
    return path if values.fits_a_socket(path) else None


def files_of(folder: Path) -> list[Path]:
    """The configuration files of a folder by name: `*.ini`, without hidden ones. Raises `OSError`."""
    return sorted(entry for entry in folder.iterdir() if is_config_name(entry.name))


def is_config_name(name: str) -> bool:
    """Whether a file of this name in a configuration folder counts; editors' back-ups do not."""
    return name.endswith(".ini") and not name.startswith((".", "#"))


def _single(path: Path) -> Reading:
    content = _content(path)
    if isinstance(content, FileProblem):
        return Reading(daemon=None, sites=(SiteFile(id="default", source=path, settings=None, problems=(content,)),))
    return _of_single(path, content)


def _of_single(path: Path, content: Content) -> Reading:
    form = fill_in(path, content, sections=SECTION_NAMES, elsewhere={})
    settings, daemon = _site(form, "default"), _daemon(form)
    found = form.findings.in_order()
    own = tuple(problem for problem in found if problem.section == "daemon")
    site = _site_file(path, settings, tuple(problem for problem in found if problem.section != "daemon"))
    usable = form.legible and not _has_errors(own)
    return Reading(daemon=daemon if usable else None, sites=(site,), problems=own)


def _folder(path: Path) -> Reading:
    try:
        files = files_of(path)
    except OSError as reason:
        words = f"the folder cannot be read: {(reason.strerror or 'the system refused').lower()}"
        hint = "let this user read it"
        return Reading(daemon=None, sites=(), problems=(_whole_file(path, words, hint=hint),))
    sites = _without_doubles([_site_of(file) for file in files if file.name != DAEMON_FILE])
    problems: tuple[FileProblem, ...] = ()
    daemon = default_daemon(path)
    if path / DAEMON_FILE in files:
        daemon, problems = _daemon_of(path / DAEMON_FILE)
    if not sites:
        empty = _whole_file(path, "the folder holds no site", hint="put a file such as site.ini there")
        problems += (replace(empty, severity="warning"),)
    return Reading(daemon=None if _has_errors(problems) else daemon, sites=tuple(sites), problems=problems)


def _daemon_of(path: Path) -> tuple[DaemonSettings, tuple[FileProblem, ...]]:
    content = _content(path)
    if isinstance(content, FileProblem):
        return default_daemon(path), (content,)
    form = fill_in(path, content, sections=("daemon",), elsewhere=_NOT_IN_DAEMON)
    return _daemon(form), form.findings.in_order()


def _site_of(path: Path) -> tuple[SiteFile, int]:
    """One site of a folder, and the line that gives it its id (0: the file's name does)."""
    content = _content(path)
    if isinstance(content, FileProblem):
        return SiteFile(id=path.stem, source=path, settings=None, problems=(content,)), 0
    return _of_one_of_many(path, content)


def _of_one_of_many(path: Path, content: Content) -> tuple[SiteFile, int]:
    form = fill_in(path, content, sections=SITE_SECTIONS, elsewhere=_NOT_IN_A_SITE)
    if ("site", "id") not in form.given:
        _check_stem(form)
    settings = _site(form, path.stem)
    return _site_file(path, settings, form.findings.in_order()), form.findings.lines.get(("site", "id"), 0)


def _check_stem(form: Form) -> None:
    try:
        values.site_id(form.path.stem)
    except BadValue as bad:
        text = f"the file's name gives the site its id, and {bad} ({bad.hint})"
        form.findings.error(("site", "id"), text, hint="rename the file, or set the id in it")


def _site_file(path: Path, settings: SiteSettings, problems: tuple[FileProblem, ...]) -> SiteFile:
    usable = None if _has_errors(problems) else settings
    return SiteFile(id=settings.id, source=path, settings=usable, problems=problems)


def _site(form: Form, site_id: str) -> SiteSettings:
    account = AccountSettings(**form.of_section("account"))
    binding: dict[str, Any] = {"email": account.smtp_address, **form.of_section("binding")}
    site = SiteSettings(
        **{"id": site_id, **form.of_section("site")},
        account=account,
        directory=DirectorySettings(**form.of_section("directory")),
        binding=BindingSettings(**binding),
        connection=ConnectionSettings(**form.of_section("connection")),
        source=form.path,
    )
    if form.legible:
        rules.check_site(form, site)
    return site


def _daemon(form: Form) -> DaemonSettings:
    given = form.of_section("daemon")
    listen = given.pop("listen", None)
    if listen:
        given["host"], given["port"] = listen
    daemon = replace(default_daemon(form.path), **given)
    if "socket" not in given:
        daemon = replace(daemon, socket=_socket_beside(daemon.database))
    if form.legible:
        rules.check_daemon(form, daemon)
    return daemon


def _without_doubles(placed: list[tuple[SiteFile, int]]) -> list[SiteFile]:
    """The sites, with a finding at every one whose id another one has too."""
    sharing: dict[str, list[SiteFile]] = {}
    for site, _ in placed:
        sharing.setdefault(site.id, []).append(site)
    return [_doubled(site, sharing[site.id], line=line) for site, line in placed]


def _doubled(site: SiteFile, sharing: list[SiteFile], *, line: int) -> SiteFile:
    others = ", ".join(other.source.name for other in sharing if other is not site)
    if not others:
        return site
    problem = FileProblem(
        file=str(site.source), line=line, section="site", option="id",
        text=f'the id "{site.id}" is also that of {others}', hint="give each site its own",
    )  # fmt: skip
    return replace(site, settings=None, problems=(*site.problems, problem))


def _content(path: Path) -> Content | FileProblem:
    try:
        return read_small(path, limit=LARGEST_FILE)
    except Unreadable as reason:
        hint = "check the path, or name another one with --config or $SITEBIND_CONFIG"
        return _whole_file(path, f"the file cannot be read: {reason}", hint=hint)


def _whole_file(path: Path, text: str, *, hint: str) -> FileProblem:
    return FileProblem(file=str(path), line=0, section="", option="", text=text, hint=hint)


def _has_errors(problems: tuple[FileProblem, ...]) -> bool:
    return any(problem.severity == "error" for problem in problems)


def all_problems(reading: Reading) -> Iterator[FileProblem]:
    """Every finding of a reading, warnings too, in the order of files and lines."""
    yield from reading.problems
    for site in reading.sites:
        yield from site.problems
