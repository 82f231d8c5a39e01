"""Debian's Prometheus over a configuration for one target, and questions to its API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.acceptance.calls import Api
from tests.acceptance.processes import Program, a_free_port

_CONFIG = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: {rules}
scrape_configs:
  - job_name: sitebind
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


@contextmanager
def prometheus(folder: Path, *, scrapes: int, rules: Sequence[Path] = ()) -> Iterator[Api]:
    """Scrapes every second, and keeps exemplars; its own API."""
    folder.mkdir()
    text = _CONFIG.format(port=scrapes, rules=json.dumps([str(path) for path in rules]))
    (folder / "prometheus.yml").write_text(text)
    port = a_free_port()
    words = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
    ]
    with Program(words, cwd=folder) as program:
        program.line("Server is ready to receive web requests")
        yield Api(port)


def query(server: Api, expression: str) -> list[dict[str, Any]]:
    """What an expression is now: one entry a series."""
    answer = server.get(f"/api/v1/query?query={quote(expression)}")
    assert answer["status"] == "success", answer
    result: list[dict[str, Any]] = answer["data"]["result"]
    return result


def value(server: Api, expression: str) -> str:
    """The single value of an expression, or nothing while there is none."""
    found = query(server, expression)
    return found[0]["value"][1] if len(found) == 1 else ""
