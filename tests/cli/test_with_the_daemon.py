"""The command line against a real daemon and a real sandbox: one demo in a process of its own for the whole file."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

Ask = Callable[..., Any]


def a_free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port: int = server.getsockname()[1]
        return port


@dataclass
class Demo:
    """A running demo: where its files lie, and what it printed until the site was bound."""

    folder: Path
    port: int
    process: subprocess.Popen[str]
    said: str = ""

    @property
    def config(self) -> Path:
        return self.folder / "config.ini"

    def read_until(self, last: str) -> str:
        assert self.process.stdout is not None
        lines: list[str] = []
        for line in self.process.stdout:
            lines.append(line)
            if re.search(last, line):
                break
        return "".join(lines)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder, port = tmp_path_factory.mktemp("demo") / ".demo", a_free_port()
    command = [sys.executable, "-m", "daemon", "demo", "--directory", str(folder), "--listen", f"127.0.0.1:{port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        limit = threading.Timer(60.0, process.kill)
        limit.start()
        running = Demo(folder, port, process)
        running.said = running.read_until("Stop it with Ctrl-C")
        try:
            yield running
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=10)
            limit.cancel()


def test_the_demo_prints_its_addresses_its_token_and_every_transition(demo: Demo) -> None:
    assert f"sitebind: http://127.0.0.1:{demo.port}\n" in demo.said
    assert re.search(r"^sandbox: https://localhost:\d+$", demo.said, re.MULTILINE)
    assert f"token: {(demo.folder / 'api-token').read_text()}" in demo.said
    assert re.findall(r"^\d\d:\d\d:\d\d default (\w+ -> \w+) \(.+\)$", demo.said, re.MULTILINE) == [
        "unconfigured -> configured",
        "configured -> binding",
        "binding -> bound",
    ]


def test_a_bound_site_is_shown_with_its_company(demo: Demo, sitebind: Ask) -> None:
    said = sitebind("status", "--config", demo.config)
    assert (said.code, said.out.startswith("default: bound since")) == (0, True)
    assert "Example Ltd, region us" in said.out
    assert sitebind("healthcheck", "--ready", "--config", demo.config).code == 0


def test_a_wrong_password_fails_with_the_remedy_and_the_old_binding_is_kept(demo: Demo, sitebind: Ask) -> None:
    assert sitebind("sandbox", "trouble", "wrong-password", "--directory", demo.folder).code == 0
    said = sitebind("rebind", "--wait", "--config", demo.config)
    assert said.code == 5
    assert re.search(r"failed +authenticate", said.out)
    assert "→ Check the e-mail address, the password" in said.out
    (site,) = json.loads(sitebind("status", "--json", "--config", demo.config).out)["sites"]
    assert (site["state"], site["retry_at"], site["binding"]["account_code"]) == ("failed", None, "CUSA00A001")
    assert sitebind("status", "--config", demo.config).code == 5
    assert sitebind("sandbox", "heal", "--directory", demo.folder).code == 0
    said = sitebind("rebind", "--wait", "--reason", "healed", "--config", demo.config)
    assert (said.code, said.out.endswith("Succeeded: the site is bound.\n")) == (0, True)


def test_an_unknown_site_is_wrong_usage(demo: Demo, sitebind: Ask) -> None:
    said = sitebind("status", "elsewhere", "--config", demo.config)
    assert (said.code, "There is no site 'elsewhere'" in said.err) == (2, True)


def test_a_wrong_token_is_not_allowed(demo: Demo, sitebind: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITEBIND_TOKEN", "not-the-token")
    assert sitebind("status", "--config", demo.config).code == 6
    monkeypatch.setenv("SITEBIND_TOKEN", (demo.folder / "api-token").read_text().strip())
    assert sitebind("status", "--config", demo.config).code == 0


def test_a_reload_without_a_change_says_so(demo: Demo, sitebind: Ask) -> None:
    said = sitebind("reload", "--config", demo.config)
    assert said.code == 0
    assert said.out.startswith("Unchanged: the configuration says what is in force already since 20")


def test_a_typo_leaves_the_site_bound_and_is_shown_with_its_line(demo: Demo, sitebind: Ask) -> None:
    good = demo.config.read_text()
    line = good.splitlines().index("authentication_type = cloud") + 1
    demo.config.write_text(good.replace("authentication_type", "authentication_tpye"))
    said = sitebind("reload", "--config", demo.config)
    assert said.code == 5
    assert f"config.ini:{line}: [binding] authentication_tpye" in said.out
    said = sitebind("status", "--config", demo.config)
    assert (said.code, f"config.ini:{line}:" in said.out) == (0, True)
    demo.config.write_text(good.replace("Demo site", "Head office"))
    sitebind("reload", "--config", demo.config)
    said = sitebind("status", "--config", demo.config)
    assert "Head office" in said.out
    assert "authentication_tpye" not in said.out


def test_the_audit_trail_is_read_and_verified_beside_the_running_daemon(demo: Demo, sitebind: Ask) -> None:
    assert sitebind("rebind", "--wait", "--config", demo.config).code == 0
    assert sitebind("audit", "verify", "--config", demo.config).out.startswith("Intact: ")
    said = sitebind("audit", "tail", "-n", "200", "--config", demo.config)
    assert f"bind_requested bound -> binding by unix:uid={os.geteuid()}" in said.out


def test_a_second_demo_in_the_same_folder_is_refused(demo: Demo, sitebind: Ask) -> None:
    said = sitebind("demo", "--directory", demo.folder)
    assert (said.code, "runs in" in said.err) == (2, True)


def test_a_second_demo_on_the_same_port_is_refused(demo: Demo, sitebind: Ask, tmp_path: Path) -> None:
    said = sitebind("demo", "--directory", tmp_path / "other", "--listen", f"127.0.0.1:{demo.port}")
    assert (said.code, f"127.0.0.1:{demo.port} is in use" in said.err) == (2, True)


def test_run_refuses_a_configuration_that_it_cannot_use(tmp_path: Path, sitebind: Ask) -> None:
    (tmp_path / "config.ini").write_text("[daemon]\nlisten = nowhere\n")
    said = sitebind("run", "--config", tmp_path / "config.ini")
    assert (said.code, "config.ini:2: [daemon] listen" in said.err) == (2, True)


def test_ctrl_c_stops_in_order_and_says_that_the_folder_is_kept(demo: Demo) -> None:
    demo.process.send_signal(signal.SIGINT)
    rest = demo.read_until("never printed")
    assert (demo.process.wait(timeout=10), "is kept: the next demo goes on from there" in rest) == (0, True)
