"""A group that a directory found, for tests that need no directory."""

from __future__ import annotations

from datetime import UTC, datetime

from daemon.ports import DirectoryObject, Resolution

GROUP = DirectoryObject(
    kind="group",
    id="0",
    display_name="Everybody",
    primary_address="everybody@example.test",
    addresses=("everybody@example.test",),
    enabled=None,
    mail_enabled=True,
    source="ldap:dc1",
)
FOUND = Resolution(
    wanted="Everybody",
    objects=(GROUP,),
    source="ldap:dc1",
    asked_at=datetime(2026, 11, 27, tzinfo=UTC),
    seconds=0.1,
)
