"""Where our parts come from: what is imported is declared, what is declared is locked, what is locked may be used."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "requirements"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCKS = sorted(REQUIREMENTS.glob("*.txt"))
PACKAGES = ("daemon", "metrics", "states")
ALLOWED = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "PSF-2.0",
    "MPL-2.0",  # binds who changes its own files, and we change none: asyncinotify, certifi
}  # fmt: skip
"""Licences under which a part may go into what users install. Whoever adds one has read it."""


def module(name: str) -> ModuleType:
    """A script of requirements/."""
    spec = importlib.util.spec_from_file_location(name, REQUIREMENTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def run(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(REQUIREMENTS / script), *arguments],
        env={**os.environ, **environment}, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip


# --- the locks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_pin_has_its_hashes_and_no_list_names_a_place(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    pins = [line for line in lines if not line.startswith(" ")]
    assert pins
    for pin in pins:
        assert re.fullmatch(r"[a-z0-9-]+==\S+ \\", pin), pin
    assert {line.strip()[:14] for line in lines if line.startswith(" ")} == {"--hash=sha256:"}
    follows = [one for one, line in pairwise(lines) if line.startswith("    --hash")]
    assert set(pins) <= set(follows)


def test_the_lists_agree_about_every_version() -> None:
    """They are installed on top of each other."""
    seen: dict[str, set[str]] = {}
    for lock in LOCKS:
        for name, version in re.findall(r"^([a-z0-9-]+)==(\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE):
            seen.setdefault(name, set()).add(version)
    assert {name: versions for name, versions in seen.items() if len(versions) > 1} == {}


# --- what is imported --------------------------------------------------------------------------


def imported() -> Iterator[tuple[str, str]]:
    """(package, file) of every import of somebody else's."""
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            for name in {name.split(".")[0] for name in names} - {*PACKAGES, *sys.stdlib_module_names}:
                yield name, str(path.relative_to(ROOT))


def test_nothing_is_imported_that_is_not_declared() -> None:
    """What only comes along with something else may leave with it."""
    wanted = [*PROJECT["dependencies"], *(one for extra in PROJECT["optional-dependencies"].values() for one in extra)]
    declared = {canonicalize_name(Requirement(one).name) for one in wanted}
    brought = packages_distributions()
    undeclared = {
        f"{name} in {path}"
        for name, path in imported()
        if not declared & {canonicalize_name(of) for of in brought.get(name, [name])}
    }
    assert undeclared == set()


# --- the bill of materials ---------------------------------------------------------------------


@cache
def bill(folder: Path) -> dict[str, Any]:
    target = folder / "sitebind.cdx.json"
    said = run("sbom.py", str(target), PYTHONWARNINGS="error")
    assert said.returncode == 0, said.stderr
    document: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
    return document


@pytest.fixture(scope="module")
def sbom(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return bill(tmp_path_factory.getbasetemp())


@pytest.mark.slow
def test_the_bill_of_materials_has_every_part_that_is_declared(sbom: dict[str, Any]) -> None:
    """CycloneDX's own schema was asked before it was written; here it is what it says."""
    assert (sbom["bomFormat"], sbom["specVersion"]) == ("CycloneDX", "1.6")
    own = sbom["metadata"]["component"]
    assert (own["name"], own["version"]) == ("sitebind", PROJECT["version"])
    parts = {part["name"]: part for part in sbom["components"]}
    for one in PROJECT["dependencies"]:
        assert parts[canonicalize_name(Requirement(one).name)]["scope"] == "required"
    for extra, wanted in PROJECT["optional-dependencies"].items():
        for one in wanted:
            part = parts[canonicalize_name(Requirement(one).name)]
            assert (part["scope"], {"name": "sitebind:extra", "value": extra} in part["properties"]) == (
                "optional",
                True,
            )
    assert {"htmx.org", "htmx-ext-sse", "pico"} <= parts.keys()
    roots = next(entry["dependsOn"] for entry in sbom["dependencies"] if entry["ref"] == own["bom-ref"])
    assert len(roots) == len(PROJECT["dependencies"]) + 3


@pytest.mark.slow
def test_no_tool_of_ours_is_in_it_and_no_place_either(sbom: dict[str, Any]) -> None:
    names = {part["name"] for part in sbom["components"]}
    assert not names & {"pytest", "mypy", "ruff", "hatchling", "pip-audit", "cyclonedx-python-lib"}
    registries = ("pypi" + ".org", "python" + "hosted", "registry" + ".npmjs")
    assert not [place for place in registries if place in json.dumps(sbom)]


def licences(part: dict[str, Any]) -> set[str]:
    """The names in a part's licence expressions."""
    said = [one.get("expression") or one["license"].get("id") or one["license"]["name"] for one in part["licenses"]]
    return {name for one in said for name in re.split(r" (?:AND|OR) |[()]", one) if name}


@pytest.mark.slow
def test_every_part_is_under_a_licence_that_may_be_used(sbom: dict[str, Any]) -> None:
    """Where one may choose, all that may be chosen is looked at: it is simpler, and holds."""
    wrong = {part["name"]: licences(part) - ALLOWED for part in sbom["components"] if licences(part) - ALLOWED}
    assert wrong == {}


# --- the audit ---------------------------------------------------------------------------------

CLEAN = {"dependencies": [{"name": "aiohttp", "version": "3.14.5", "vulns": []}], "fixes": []}
BAD = {"dependencies": [{
    "name": "jinja2", "version": "2.10", "vulns": [{"id": "PYSEC-2019-217", "fix_versions": ["2.10.1"]}],
}]}  # fmt: skip
SKIPPED = {"dependencies": [{"name": "idna", "skip_reason": "could not be audited: idna (3.20)"}]}


@pytest.mark.parametrize(
    "answer, arguments, code, words",
    [
        (CLEAN, [], 0, "No known vulnerability in any pin."),
        (BAD, [], 1, "jinja2 2.10: PYSEC-2019-217; mended in 2.10.1"),
        (BAD, ["--tell"], 1, "PYSEC-2019-217"),
        (SKIPPED, [], 3, "NOT AUDITED: 6 pins"),
        (SKIPPED, ["--tell"], 0, "NOT AUDITED: 6 pins"),
        ("nobody answers", [], 3, "all of it (nobody answers)"),
    ],
)
def test_what_was_not_asked_is_never_called_well(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    answer: dict[str, Any] | str,
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    """pip-audit itself says "No known vulnerabilities found" of pins that it could not ask about."""
    audit = module("audit")
    monkeypatch.setattr(audit, "asked", lambda _: answer)
    monkeypatch.setattr(sys, "argv", ["audit.py", *arguments])
    assert audit.main() == code
    said = capsys.readouterr().out
    assert words in said
    assert ("No known vulnerability" in said) == (answer is CLEAN)
    assert said.count(": locked ") == 6


@pytest.mark.slow
def test_a_service_that_cannot_be_reached_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real pip-audit, whose every way out is a closed port of this machine."""
    nowhere = "http://127.0.0.1:9"
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, nowhere)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    audit = module("audit")
    answer = audit.asked("kerberos.txt")
    assert list(audit.unanswered("kerberos.txt", answer))
    assert list(audit.vulnerable("kerberos.txt", answer)) == []
