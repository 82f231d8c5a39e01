"""deploy/container/Containerfile as the tests read it, and its steps carried out in a root folder without an engine."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.acceptance.processes import REPOSITORY, Said, run

CONTAINERFILE = REPOSITORY / "deploy" / "container" / "Containerfile"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_LONGEST_STEP = 600


@dataclass(frozen=True)
class Step:
    """One instruction; `text` is what follows its name, with continued lines joined."""

    name: str
    text: str


@dataclass
class Stage:
    """Everything from one FROM to the next."""

    name: str
    steps: list[Step] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        return [step.text for step in self.steps if step.name == name]

    def environment(self) -> dict[str, str]:
        return dict(word.split("=", 1) for text in self.all("ENV") for word in shlex.split(text))


def stages() -> list[Stage]:
    """The stages; what stands before the first FROM is one without a name."""
    lines = [line for line in CONTAINERFILE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    found = [Stage("")]
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        if not line.strip():
            continue
        name, text = line.split(maxsplit=1)
        if name == "FROM":
            found.append(Stage(text.partition(" AS ")[2]))
        found[-1].steps.append(Step(name, " ".join(text.split())))
    return found


class Root:
    """The root folder of a stage."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._at = "/"

    def build(self, stage: Stage, others: dict[str, Root]) -> None:
        """Carry out the steps that make files; the others are about the process."""
        for step in stage.steps:
            match step.name:
                case "RUN":
                    said = self.inside(["/bin/sh", "-c", f"cd {self._at} && {step.text}"])
                    assert said.code == 0, f"{step.text}\n{said.out[-3000:]}\n{said.err[-3000:]}"
                case "WORKDIR":
                    self._at = step.text
                    self.at(step.text).mkdir(parents=True, exist_ok=True)
                case "COPY":
                    self._copy(step.text.split(), others)

    def at(self, path: str) -> Path:
        """Where a path of the inside is on the outside."""
        return self.folder / path.lstrip("/")

    def inside(self, command: Sequence[str]) -> Said:
        """Run a command as root within, with processes and mounts of its own."""
        proc = f"--mount-proc={self.folder / 'proc'}"
        settings = ["env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"]
        settings += ["DEBIAN_FRONTEND=noninteractive", "PIP_ROOT_USER_ACTION=ignore", "PIP_CERT=/tmp/outside.pem"]
        shutil.copy(_CERTIFICATES, self.at("/tmp/outside.pem"))
        shutil.copy("/etc/resolv.conf", self.at("/etc/resolv.conf"))
        unshared = ["unshare", "--mount", "--pid", "--fork", proc, "chroot", self.folder]
        return run([*unshared, *settings, *command], within=_LONGEST_STEP)

    def _copy(self, words: list[str], others: dict[str, Root]) -> None:
        *sources, target = [word for word in words if not word.startswith("--")]
        stage = next((word.removeprefix("--from=") for word in words if word.startswith("--from=")), "")
        goal = self.at(target) if target.startswith("/") else self.at(self._at) / target
        for source in sources:
            found = others[stage].at(source) if stage else REPOSITORY / source
            if found.is_dir():
                shutil.copytree(
                    found, goal, symlinks=True, dirs_exist_ok=True, ignore=_NO_CACHES if not stage else None
                )
            else:
                goal.mkdir(parents=True, exist_ok=True)
                shutil.copy(found, goal / found.name)


_NO_CACHES = shutil.ignore_patterns("__pycache__")


def debian_mirror() -> str:
    """The one that this machine's own apt uses for Debian 12."""
    said = run(["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)", "Created-By: Packages"])
    found = [line.split()[0] for line in said.out.splitlines() if line.split()[1:] == ["bookworm", "main"]]
    assert found, f"apt knows no mirror of Debian 12 (bookworm) on this machine: {said}"
    return found[0]


def make_base(folder: Path) -> Root:
    """Debian 12 as small as it gets: what `BASE` names."""
    said = run(["debootstrap", "--variant=minbase", "bookworm", folder, debian_mirror()], within=_LONGEST_STEP)
    assert said.code == 0, f"{said.out[-3000:]}\n{said.err}"
    return Root(folder)


def checked_out(root: Root, at: str) -> None:
    """Put a checkout of what is here into a root: what git knows or would take, nothing else."""
    listed = run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=REPOSITORY)
    assert listed.code == 0, listed
    for name in filter(None, listed.out.split("\0")):
        if (REPOSITORY / name).is_file():
            goal = root.at(at) / name
            goal.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, goal)


def copy_of(base: Root, folder: Path) -> Root:
    said = run(["cp", "-a", base.folder, folder], within=_LONGEST_STEP)
    assert said.code == 0, said
    return Root(folder)
