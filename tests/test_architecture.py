"""The tree keeps its promises: whose packages these are, names, sizes, contracts, and the wheel."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("daemon", "metrics", "states")
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "manager", "managers", "base", "common", "misc"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

# Built in pieces, so that this file passes its own test.
MACHINE_PATHS = "|".join(("wo" + "rk/", "tmp/v" + "env", "tmp/p" + "lan", "opt/py" + "pi"))
REGISTRIES = "|".join(("pypi" + r"\.org", "python" + "hosted", "registry" + r"\.npmjs"))
UNWANTED = {
    "a path of one machine": re.compile(r"(?<![\w.-])/(?:" + MACHINE_PATHS + ")"),
    "a package registry's host": re.compile(REGISTRIES),
    "a private key": re.compile("-----BEGIN [A-Z ]*" + r"PRIVATE KEY-----(?:\s*$|\\n[A-Za-z0-9+/]{16})"),
    "unfinished work": re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME)\b"),
}


def files_of_the_tree() -> list[Path]:
    """Everything that is committed or would be: what git knows, and what it does not ignore."""
    answer = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    paths = (ROOT / os.fsdecode(name) for name in answer.stdout.split(b"\0") if name)
    return sorted(path for path in paths if path.is_file())


def modules(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def text_of(path: Path) -> str | None:
    """The file's text, or None where it is not text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def run(*command: str, cwd: Path, **environment: str) -> str:
    """What the command printed; a test fails with all it said when it does not exit 0."""
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{' '.join(command)} exited {done.returncode}:\n{done.stdout}"
    return done.stdout


def pip(verb: str, *arguments: str) -> None:
    """Run pip without a network."""
    options = ("--no-deps", "--no-index", "--disable-pip-version-check")
    run(sys.executable, "-m", "pip", verb, *options, *arguments, cwd=ROOT, PIP_ROOT_USER_ACTION="ignore")


# --- names and sizes ---------------------------------------------------------------------------


@pytest.mark.parametrize("package", PACKAGES)
def test_the_imported_packages_are_ours(package: str) -> None:
    """The names are generic and others use them too: a stranger's `daemon` must not win."""
    found = importlib.import_module(package).__file__
    assert found == str(ROOT / package / "__init__.py")


def test_no_module_is_longer_than_three_hundred_lines() -> None:
    """A longer file holds two things."""
    long = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in modules(*PACKAGES)}
    assert {name: lines for name, lines in long.items() if lines > 300} == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    """A drawer called `utils` collects everything."""
    paths = [path.relative_to(ROOT) for path in modules(*PACKAGES)]
    assert [str(p) for p in paths if FORBIDDEN_NAMES & {*p.parts, p.stem}] == []


def nameless_tasks(path: Path) -> Iterator[str]:
    calls = (node for node in ast.walk(parsed(path)) if isinstance(node, ast.Call))
    for call in calls:
        starts = ast.unparse(call.func).endswith(("create_task", "ensure_future"))
        if starts and not any(keyword.arg == "name" for keyword in call.keywords):
            yield f"{name_of(path)}:{call.lineno}"


def test_every_task_has_a_name() -> None:
    """A stuck task is found by its name."""
    assert [place for path in modules(*PACKAGES) for place in nameless_tasks(path)] == []


def test_every_module_says_what_it_is() -> None:
    """The header docstring says what the module is and who calls it."""
    silent = [name_of(path) for path in modules(*PACKAGES) if not ast.get_docstring(parsed(path))]
    assert silent == []


# --- the whole tree ----------------------------------------------------------------------------


@pytest.mark.parametrize("what", UNWANTED)
def test_the_tree_is_free_of(what: str) -> None:
    """The tree means the same on every machine, and keeps no secret and no promise for later."""
    pattern = UNWANTED[what]
    places = [
        f"{name_of(path)}:{number}"
        for path in files_of_the_tree()
        for number, line in enumerate((text_of(path) or "").splitlines(), start=1)
        if pattern.search(line)
    ]
    assert places == []


def test_every_data_file_can_be_parsed() -> None:
    """TOML, YAML and JSON files are well formed."""
    readers = {".toml": tomllib.loads, ".json": json.loads, ".yaml": yaml.safe_load, ".yml": yaml.safe_load}
    for path in files_of_the_tree():
        if path.suffix in readers:
            readers[path.suffix](path.read_text(encoding="utf-8"))


def test_the_changelog_knows_the_version() -> None:
    """The newest released heading is this version, or this version is still being written."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    unreleased, *released = re.findall(r"^## \[([^\]]+)\]", changelog, flags=re.MULTILINE)
    assert unreleased == "Unreleased"
    assert released == sorted(released, key=lambda v: tuple(map(int, v.split("."))), reverse=True)
    assert not released or released[0] == PROJECT["version"]


def test_every_dependency_is_locked_with_hashes() -> None:
    """What pyproject.toml asks for is pinned, and nothing comes from a place named in the lock."""
    lock = (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8")
    pinned = set(re.findall(r"^([a-z0-9-]+)==\S+ \\\n    --hash=sha256:", lock, flags=re.MULTILINE))
    wanted = {re.split(r"[<>=!~ \[]", dependency)[0].lower() for dependency in PROJECT["dependencies"]}
    assert wanted <= pinned
    assert not re.search(r"^\s*--(?!hash)", lock, flags=re.MULTILINE)


def test_the_import_contracts_are_kept() -> None:
    """Imports point down, and each library has one home: the contracts of pyproject.toml."""
    linter = str(Path(sys.executable).with_name("lint-imports"))
    said = run(linter, "--no-cache", cwd=ROOT)
    assert "0 broken" in said


# --- the artefact ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as it would be published, built from this tree."""
    made = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-build-isolation", "--wheel-dir", str(made), str(ROOT))
    return next(made.glob("sitebind-*.whl"))


@pytest.mark.slow
def test_the_wheel_holds_our_packages_with_their_data_and_nothing_else(wheel: Path) -> None:
    """Every module and data file of the packages ships; tests and bench do not."""
    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    in_packages = {name for name in map(name_of, files_of_the_tree()) if name.split("/")[0] in PACKAGES}
    assert shipped == in_packages
    assert {f"{package}/py.typed" for package in PACKAGES} <= shipped
    assert any(name.endswith(".sql") for name in shipped)
    assert "daemon/web/openapi.yaml" in shipped


@pytest.mark.slow
def test_the_installed_wheel_runs(wheel: Path, tmp_path: Path) -> None:
    """Outside the tree, `sitebind --version` answers with the version that was built."""
    place = tmp_path / "installed"
    pip("install", "--target", str(place), str(wheel))
    said = run(str(place / "bin" / "sitebind"), "--version", cwd=tmp_path, PYTHONPATH=str(place))
    assert PROJECT["version"] in said
    where = "import daemon; print(daemon.__file__)"
    origin = run(sys.executable, "-c", where, cwd=tmp_path, PYTHONPATH=str(place))
    assert origin.strip() == str(place / "daemon" / "__init__.py")
