"""Whatever leaves this server takes the way that [connection] describes."""

from __future__ import annotations

import ast
from pathlib import Path

import daemon

ROOT = Path(daemon.__file__).parent
OPENS = {"open_connection", "create_connection", "ClientSession", "TCPConnector", "urlopen", "HTTPSConnection"}
WAYS_OUT = {"providers/race.py", "providers/sessions.py"}


def opens_connections(path: Path) -> bool:
    calls = (node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    return any(ast.unparse(call).rpartition(".")[2] in OPENS for call in calls)


def test_only_two_modules_of_the_daemon_open_connections() -> None:
    """A third one would go around the proxy. The command line calls this daemon and the sandbox only."""
    modules = {str(path.relative_to(ROOT)): path for path in ROOT.rglob("*.py")}
    found = {name for name, path in modules.items() if opens_connections(path)}
    assert {name for name in found if not name.startswith("cli/")} == WAYS_OUT
