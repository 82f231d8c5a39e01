"""The simulated Mimecast as a process of its own, and a daemon with the configuration that it prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.acceptance.calls import Api
from tests.acceptance.processes import Program, a_free_port, console_script, sitebind
from tests.acceptance.sandboxes import serve

pytestmark = pytest.mark.slow


def test_a_site_is_bound_with_the_configuration_that_the_sandbox_prints(tmp_path: Path) -> None:
    sandbox, said = serve(tmp_path)
    with sandbox:
        printed = re.search(r"^\[binding\].*?^ca_file = [^\n]*\n", said, re.MULTILINE | re.DOTALL)
        assert printed, said
        api = Api(a_free_port())
        config = tmp_path / "config.ini"
        config.write_text(f"[daemon]\nlisten = 127.0.0.1:{api.port}\n\n{printed[0]}")
        config.chmod(0o600)
        with Program([*console_script(), "run"], cwd=tmp_path) as program:
            program.line("listening on")
            api.reach("bound")
            # The configuration of the folder one stands in, and the one that the environment names.
            assert sitebind("status", cwd=tmp_path).code == 0
            assert sitebind("status", env={"SITEBIND_CONFIG": str(config)}).code == 0
            assert sitebind("status", "--url", api.url).code == 0
            state = sitebind("sandbox", "state", "--directory", tmp_path)
            assert (state.code, "login 1" in state.out) == (0, True)
            assert program.stop() == 0
        assert sandbox.stop() == 0
        assert sitebind("sandbox", "state", "--directory", tmp_path).code == 4
