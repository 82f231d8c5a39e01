"""One command, and a newcomer watches a site go from unconfigured to bound, breaks it and mends it."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from tests.acceptance.calls import steps
from tests.acceptance.demo import demo

pytestmark = pytest.mark.slow


@pytest.mark.parts
def test_the_demo_reaches_bound_and_every_command_that_it_prints_works_as_printed(tmp_path: Path) -> None:
    """In the printed order: what is between a trouble and its end fails with 5, everything else succeeds."""
    with demo(tmp_path) as running:
        said = running.program.out
        assert re.search(rf"^sitebind: http://127\.0\.0\.1:{running.port}$", said, re.MULTILINE)
        assert re.search(r"^sandbox: https://localhost:\d+$", said, re.MULTILINE)
        assert f"\ntoken: {(tmp_path / '.demo' / 'api-token').read_text()}" in said
        moves = re.findall(r"^\d\d:\d\d:\d\d default (\w+ -> \w+) \(.+\)$", said, re.MULTILINE)
        assert moves == ["unconfigured -> configured", "configured -> binding", "binding -> bound"]

        troubled, words = False, []
        for line in running.commands:
            ended = running.type(line)
            expected = 5 if troubled and re.search(r" (rebind|status|doctor) ", line) else 0
            assert ended.code == expected, (line, ended)
            assert ended.out.strip(), (line, ended)
            troubled = (troubled or " trouble " in line) and not line.endswith(" heal")
            words.append(re.sub(r"^\S*sitebind |^\S*python -m daemon ", "sitebind ", line).split()[:2])
        assert words.count(["sitebind", "rebind"]) == 2
        assert words.count(["sitebind", "sandbox"]) == 6
        assert words.count(["sitebind", "resolve"]) == 2
        assert words.count(["sitebind", "audit"]) == 2
        assert words.count(["curl", "-X"]) == 1
        running.api.reach("bound")
        running.program.send(signal.SIGINT)
        assert running.program.ended() == 0
        assert "Traceback" not in running.program.err


@pytest.mark.parts
def test_curl_on_rebind_is_202_with_a_location_that_ends_in_success(tmp_path: Path) -> None:
    with demo(tmp_path) as running:
        ended = running.type(f"curl --silent --show-error --include -X POST {running.api.url}/rebind")
        assert ended.code == 0, ended
        assert re.match(r"HTTP/1\.1 202 ", ended.out)
        location = re.search(r"^Location: (\S+)\r?$", ended.out, re.MULTILINE)
        assert location, ended.out
        running.api.see(lambda _: running.api.get(location[1])["state"] != "open", "the bind has ended")
        report = running.api.get(location[1])
        assert (report["state"], report["fault"], report["actor"]) == ("succeeded", None, "http:127.0.0.1")
        assert [step["step"] for step in report["steps"]] == [
            "configuration", "connect", "mailbox", "directory", "discover", "authenticate", "authorize", "register",
        ]  # fmt: skip


def test_a_changed_password_goes_through_configured_and_binding_to_bound_with_a_reason(tmp_path: Path) -> None:
    """Changed at the service first, then in the demo's INI; nobody tells the daemon."""
    with demo(tmp_path) as running:
        before = running.api.audit()[-1]["seq"]
        said = running.sitebind("sandbox", "set-password", "sync.admin@example.test", "new one")
        assert said.code == 0, said
        text = running.config.read_text()
        line = next(line for line in text.splitlines() if line.startswith("password ="))
        running.config.write_text(text.replace(line, "password = literal:new one"))
        running.api.see(
            lambda site: site["state"] == "bound" and len(running.api.binds()) == 2, "bound with the new password"
        )
        records = [
            # The demo verifies every ten seconds; that may fall between, and is no part of this story.
            record
            for record in running.api.audit(site="default", after=before)
            if record["event"] != "binding_verified"
        ]
        assert steps(records)[:3] == [
            ("config_accepted", "bound", "configured"),
            ("bind_requested", "configured", "binding"),
            ("bind_succeeded", "binding", "bound"),
        ]
        assert "[binding] password" in records[0]["detail"]["reason"]
        assert "[binding] password" in records[1]["detail"]["reason"]
        tail = running.sitebind("audit", "tail", "--config", str(running.config))
        assert "[binding] password" in tail.out
        assert "new one" not in tail.out
        running.program.line(r"default bound -> configured \(.*password.*\)")


def test_the_demo_goes_on_from_where_it_was_and_fresh_starts_anew(tmp_path: Path) -> None:
    with demo(tmp_path) as first:
        code = first.api.site()["site_code"]
        assert first.program.stop() == 0
        assert "Stopped." in first.program.out
    with demo(tmp_path) as again:
        assert "The demo ran here before." in again.program.out
        again.program.line(r"-> bound")
        assert again.api.site()["site_code"] == code
    with demo(tmp_path, "--fresh") as anew:
        assert "The demo ran here before." not in anew.program.out
        assert anew.api.reach("bound")["site_code"] != code
