"""The container file: its rules, and its steps carried out in a root folder made by debootstrap.

No container engine and no base image can be had where the suite runs. What an engine adds to these steps (layers, the
health check's clock) is not tested.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.installation import site_sections
from tests.acceptance.processes import REPOSITORY, Program, Said, a_free_port, run, sitebind
from tests.acceptance.simulated import Simulated
from tests.deploy.containerfile import CONTAINERFILE, Root, Stage, checked_out, copy_of, make_base, stages
from tests.deploy.units import UNIT
from tests.running import write

BEFORE, BUILD, FINAL = stages()
TOKEN = "a token for the test"
HEALTH_CHECK = ["sitebind", "healthcheck", "--url", "unix:/var/lib/sitebind/sitebind.sock"]
INSTALLING = REPOSITORY / "docs" / "install.md"


def block(kind: str) -> str:
    """What docs/install.md has between the fences of this kind."""
    (found,) = re.findall(rf"^```{kind}\n(.*?)^```$", INSTALLING.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.mark.parametrize("stage", [BUILD, FINAL], ids=["build", "final"])
def test_the_base_is_named_by_whoever_builds_and_by_nothing_that_moves(stage: Stage) -> None:
    assert BEFORE.all("ARG") == ["BASE"], "no default: a build without a digest is refused"
    assert stage.all("FROM")[0].startswith("${BASE}")
    assert "BASE=debian:12-slim@sha256:" in CONTAINERFILE.read_text(encoding="utf-8")


def test_it_does_not_run_as_root() -> None:
    (user,) = FINAL.all("USER")
    assert all(int(number) >= 10_000 for number in user.split(":"))
    after = [step.name for step in FINAL.steps][[step.name for step in FINAL.steps].index("USER") :]
    assert "RUN" not in after
    assert "COPY" not in after


def test_it_takes_nothing_from_the_network_but_packages_that_are_checked() -> None:
    """Debian's are signed, Python's are locked with their hashes."""
    for stage in (BUILD, FINAL):
        assert not stage.all("ADD")
        for command in stage.all("RUN"):
            assert not re.search(r"\b(curl|wget|git|ftp)\b|https?://", command)
            for install in re.findall(r"pip install ([^&]*)", command):
                assert "--require-hashes" in install or "--no-index" in install
            if "apt-get" in command:
                assert re.search(r"^apt-get update && apt-get install --yes --no-install-recommends ", command)
                assert command.endswith("&& rm -rf /var/lib/apt/lists/*")


def test_only_what_is_named_gets_into_it() -> None:
    """No `COPY . .`, which would take a .git, a database or secrets along."""
    sources = [word for text in BUILD.all("COPY") for word in text.split()[:-1]]
    assert sources == [
        "requirements/runtime.txt",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "daemon",
        "metrics",
        "states",
    ]
    assert all((REPOSITORY / source).exists() for source in sources)
    assert FINAL.all("COPY") == ["--from=build /opt/sitebind /opt/sitebind"]


def test_no_secret_is_handed_over_by_the_environment() -> None:
    for name in FINAL.environment():
        assert not re.search("PASS|SECRET|TOKEN|KEY", name)


def test_it_has_one_volume_and_a_health_check_of_its_own() -> None:
    assert FINAL.all("VOLUME") == ["/var/lib/sitebind"]
    (check,) = FINAL.all("HEALTHCHECK")
    assert json.loads(check.partition(" CMD ")[2]) == HEALTH_CHECK
    assert FINAL.all("STOPSIGNAL") == ["SIGTERM"]
    # The exec form: no shell stands between the engine's signals and the daemon.
    assert [json.loads(FINAL.all(name)[0]) for name in ("ENTRYPOINT", "CMD")] == [["sitebind"], ["run"]]


def test_its_example_configuration_is_right() -> None:
    said = sitebind("check-config", "--config", CONTAINERFILE.with_name("config.ini"))
    assert said.code == 0, said
    assert "0 errors, 0 warnings" in said.out


class Image:
    """What the file's steps have made, run as an engine runs it: the user, no capability, a read-only root."""

    def __init__(self, root: Root) -> None:
        self.root = root
        self._user, self._group = FINAL.all("USER")[0].split(":")

    def command(self, *words: str, state: Path, configuration: Path, secrets: Path) -> list[str | Path]:
        folder = self.root.folder
        mounts = [f"mount --bind {folder} {folder}", f"mount -o remount,bind,ro {folder}"]
        mounts += [f"mount --bind {state} {self.root.at('/var/lib/sitebind')}"]
        mounts += [f"mount --bind -o ro {configuration} {self.root.at('/etc/sitebind')}"]
        mounts += [f"mount --bind -o ro {secrets} {self.root.at('/run/secrets')}"]
        script = " && ".join([*mounts, f'exec chroot {folder} "$@"'])
        environment = ["env", "-i", *(f"{name}={value}" for name, value in FINAL.environment().items())]
        as_user = ["setpriv", f"--reuid={self._user}", f"--regid={self._group}", "--clear-groups", "--no-new-privs"]
        closed = ["--inh-caps=-all", "--bounding-set=-all"]
        # Like unshare itself, every word up to sitebind replaces the one before: signals reach the daemon.
        return ["unshare", "--mount", "sh", "-ec", script, "sh", *as_user, *closed, *environment, *words]

    def own(self, *paths: Path) -> None:
        for path in paths:
            os.chown(path, int(self._user), int(self._group))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    folder = tmp_path_factory.mktemp("roots")
    try:
        yield make_base(folder / "base")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def image(base: Root) -> Image:
    build = copy_of(base, base.folder.with_name("build"))
    build.build(BUILD, {})
    final = copy_of(base, base.folder.with_name("final"))
    final.build(FINAL, {BUILD.name: build})
    # What an engine adds to every container.
    final.at("/run/secrets").mkdir(parents=True, exist_ok=True)
    final.at("/etc/hosts").write_text("127.0.0.1 localhost\n")
    return Image(final)


@pytest.mark.parts
@pytest.mark.root
@pytest.mark.slow
@pytest.mark.timeout(1200)
class TestWhatTheStepsMake:
    """One image for all of these."""

    def test_what_built_it_stays_behind(self, image: Image) -> None:
        programs = {path.name for path in image.root.at("/opt/sitebind/bin").iterdir()}
        assert "sitebind" in programs
        assert not {name for name in programs if name.startswith("pip")}
        for tool in ("gcc", "make", "git", "curl", "pip3"):
            assert image.root.inside(["which", tool]).code != 0

    def test_it_runs_without_root_on_a_read_only_root_binds_and_answers_its_health_check(
        self, image: Image, simulated: Simulated, tmp_path: Path
    ) -> None:
        port = a_free_port()
        folders = {name: tmp_path / name for name in ("state", "configuration", "secrets")}
        for folder in folders.values():
            folder.mkdir()
        shutil.copy(simulated.ca_file, folders["configuration"] / "ca.pem")
        sections = site_sections(simulated)
        sections["connection"]["ca_file"] = "ca.pem"
        sections["daemon"] = {
            "listen": f"0.0.0.0:{port}",
            "api_token": "file:/run/secrets/api-token",
            "database": "/var/lib/sitebind/sitebind.db",
        }
        config = write(folders["configuration"] / "config.ini", sections)
        (folders["secrets"] / "api-token").write_text(TOKEN)
        (folders["secrets"] / "api-token").chmod(0o400)
        image.own(*folders.values(), config, folders["secrets"] / "api-token")

        def inside(*words: str) -> Said:
            return run(image.command(*words, **folders))

        assert inside(*HEALTH_CHECK).code == 1, "nothing runs yet"
        with Program(image.command("sitebind", "run", **folders)) as program:
            program.line(r"binding -> bound")
            well = inside(*HEALTH_CHECK)
            assert (well.code, well.out) == (0, "pass\n"), well
            right = config.read_text()
            config.write_text(right.replace("[daemon]", "[daemon]\nlog_levl = debug"))
            assert inside("sitebind", "healthcheck").code == 1, "it asks the configuration where the daemon is"
            assert inside(*HEALTH_CHECK).code == 0, "a restart would not start"
            config.write_text(right)
            assert "bound" in inside("sitebind", "status").out
            assert inside("touch", "/opt/sitebind/new").code != 0, "the root is read-only"
            owners = Path(f"/proc/{program.pid}/status").read_text()
            assert re.search(r"^Uid:\t10001\t10001\t10001\t10001$", owners, re.MULTILINE)
            assert re.search(r"^CapEff:\t0+$", owners, re.MULTILINE)
            assert program.stop() == 0

    def test_the_commands_for_a_bare_machine_install_it_there(self, base: Root) -> None:
        """As typed from docs/install.md into a root folder: up to what only a systemd that runs can do."""
        commands = block("sh bare")
        bare = copy_of(base, base.folder.with_name("bare"))
        checked_out(bare, "/root/sitebind")
        # A machine with systemd has this program already, and has asked its mirror before.
        before = "apt-get update && apt-get install --yes --no-install-recommends systemd-standalone-sysusers"
        said = bare.inside(["sh", "-ec", f"{before}; cd /root/sitebind; {commands}"])
        assert said.code == 0, f"{said.out[-3000:]}\n{said.err[-3000:]}"
        said = bare.inside(["sitebind", "check-config", "--config", "/etc/sitebind/config.ini"])
        assert (said.code, "0 errors, 0 warnings" in said.out) == (0, True), said
        assert bare.inside(["stat", "--format", "%U %a", "/etc/sitebind/config.ini"]).out == "sitebind 600\n"
        for line in block("sh secrets").splitlines():
            said = bare.inside(["sh", "-ec", f"echo what-is-typed | {line}"])
            assert (said.code, said.err) == (0, ""), line
        assert bare.at("/etc/systemd/system/sitebind.service").read_text() == UNIT.read_text()
