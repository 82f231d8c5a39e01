"""A simulated Mimecast on loopback: real protocol over real TLS, with trouble on request.

Used by the demo, by `sitebind sandbox`, and by the contract tests. It shares no code with the providers on
purpose: two independent readings of the same protocol facts are what makes those tests worth something.
"""

from __future__ import annotations

from daemon.sandbox.script import BadTrouble, Endpoint, Script, Trouble
from daemon.sandbox.server import Ports, Sandbox
from daemon.sandbox.world import World, small_world

__all__ = ["BadTrouble", "Endpoint", "Ports", "Sandbox", "Script", "Trouble", "World", "small_world"]
