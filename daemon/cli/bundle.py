"""The archive of `sitebind diagnostics`: parts as they come, then a manifest of what is in it and what is not."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from daemon.cli.exits import Failure
from daemon.cli.whole_file import whole_file

FOLDER: Final = "sitebind-diagnostics"
MANIFEST: Final = "manifest.json"


@dataclass(slots=True)
class Bundle:
    """Takes the parts; `made_at` is the time of every file in it."""

    archive: tarfile.TarFile
    made_at: datetime
    parts: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[dict[str, str]] = field(default_factory=list)

    def document(self, name: str, what: str, content: Callable[[], Any]) -> None:
        """Add a part as JSON, or note why there is none."""
        self.text(name, what, lambda: json.dumps(content(), indent=2, ensure_ascii=False) + "\n")

    def text(self, name: str, what: str, content: Callable[[], str]) -> None:
        """Add a part as text, or note why there is none."""
        try:
            text = content()
        except Failure as failure:
            self.without(name, failure.text)
            return
        size = self._write(name, text)
        self.parts.append({"file": name, "bytes": size, "what": what})

    def without(self, name: str, why: str) -> None:
        """Note that a part is not in it."""
        self.left_out.append({"file": name, "why": why})

    def finish(self, about: dict[str, Any]) -> None:
        """Write the manifest: `about` the archive as a whole, then every part."""
        document = {**about, "parts": self.parts, "left_out": self.left_out}
        self._write(MANIFEST, json.dumps(document, indent=2, ensure_ascii=False) + "\n")

    def _write(self, name: str, text: str) -> int:
        data = text.encode("utf-8", "replace")
        member = tarfile.TarInfo(f"{FOLDER}/{name}")
        member.size, member.mode, member.mtime = len(data), 0o600, int(self.made_at.timestamp())
        self.archive.addfile(member, io.BytesIO(data))
        return len(data)


@contextmanager
def bundled(path: Path, made_at: datetime) -> Iterator[Bundle]:
    """A bundle that becomes the file at `path`, for its owner only, once it is whole. Raises `Failure`."""
    with whole_file(path) as file, tarfile.open(fileobj=file, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        yield Bundle(archive, made_at)
