"""However a configuration is changed, the running daemon takes it up; a mistake in it costs nothing but a finding."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.acceptance.installation import Installation

pytestmark = pytest.mark.slow


def name_is(installation: Installation, name: str) -> None:
    """Wait until the API shows the display name, and see that nothing was bound anew for it."""
    installation.api.see(lambda site: site["display_name"] == name, f"the name is {name}")
    assert len(installation.api.binds()) == 1


def renamed(installation: Installation, name: str) -> str:
    return installation.text({"site": {"display_name": name}})


def unwrapped(text: str) -> str:
    """Lines that were wrapped for a terminal, as one."""
    return " ".join(text.split())


def test_an_edit_in_place_is_picked_up(installation: Installation) -> None:
    with installation.start():
        installation.api.reach("bound")
        installation.config.write_text(renamed(installation, "Edited in place"))
        name_is(installation, "Edited in place")


def test_an_atomic_rename_is_picked_up_each_time(installation: Installation) -> None:
    """Watching the file itself would see the first rename only."""
    with installation.start():
        installation.api.reach("bound")
        for number in range(3):
            installation.save(site={"display_name": f"Renamed {number}"})
            name_is(installation, f"Renamed {number}")


def test_a_config_map_swap_is_picked_up_each_time(installation: Installation) -> None:
    """As the kubelet does it: config.ini -> ..data/config.ini, and ..data is swapped by a rename."""
    folder = installation.folder

    def publish(name: str, number: int) -> None:
        version = folder / f"..version_{number}"
        version.mkdir()
        (version / "config.ini").write_text(renamed(installation, name))
        (version / "config.ini").chmod(0o600)
        (folder / "..data_tmp").symlink_to(version.name)
        (folder / "..data_tmp").rename(folder / "..data")

    installation.config.unlink()
    publish("Head office", 0)
    installation.config.symlink_to(Path("..data") / "config.ini")
    with installation.start():
        installation.api.reach("bound")
        for number in (1, 2, 3):
            publish(f"Swapped {number}", number)
            name_is(installation, f"Swapped {number}")


def edit_unseen(installation: Installation, name: str, back_door: Path) -> None:
    """Write through another name of the same file, in a folder that nobody watches: no event tells of it."""
    if not back_door.exists():
        back_door.hardlink_to(installation.config)
    before = installation.api.site()["display_name"]
    back_door.write_text(renamed(installation, name))
    assert installation.api.site()["display_name"] == before


def test_sighup_reads_the_configuration_again(installation: Installation, tmp_path: Path) -> None:
    with installation.start() as program:
        installation.api.reach("bound")
        edit_unseen(installation, "After a signal", tmp_path / "back-door.ini")
        program.send(signal.SIGHUP)
        name_is(installation, "After a signal")
        program.line(r"signal:SIGHUP: configuration applied")
        changed = [record for record in installation.api.audit() if record["event"] == "config_accepted"][-1]
        assert changed["actor"] == "signal:SIGHUP"


def test_a_posted_reload_reads_the_configuration_again_and_answers_per_option(
    installation: Installation, tmp_path: Path
) -> None:
    with installation.start():
        installation.api.reach("bound")
        edit_unseen(installation, "After a reload", tmp_path / "back-door.ini")
        answer = installation.api.ask("POST", "/-/reload")
        assert (answer.status, answer.json["outcome"]) == (200, "applied")
        (change,) = answer.json["changes"]
        assert (change["section"], change["option"], change["result"]) == ("site", "display_name", "applied")
        name_is(installation, "After a reload")
        assert installation.api.ask("POST", "/-/reload").json["outcome"] == "unchanged"

        edit_unseen(installation, "After the command", tmp_path / "back-door.ini")
        said = installation.sitebind("reload")
        assert (said.code, "[site] display_name  applied" in said.out) == (0, True)
        name_is(installation, "After the command")


def test_a_change_that_needs_a_restart_says_so(installation: Installation) -> None:
    with installation.start():
        installation.api.reach("bound")
        url = installation.api.url
        installation.save(daemon={"listen": "127.0.0.1:1"})
        said = installation.sitebind("reload", "--url", url)
        assert (said.code, "[daemon] listen  needs a restart" in said.out) == (0, True), said
        assert installation.api.site()["state"] == "bound"


def test_a_typo_leaves_the_site_bound_is_shown_with_its_line_and_is_mended_by_saving(
    installation: Installation,
) -> None:
    api = installation.api
    with installation.start() as program:
        held = api.reach("bound")["binding"]
        broken = installation.text().replace("application_key", "aplication_key")
        line = broken[: broken.index("aplication_key")].count("\n") + 1
        place = f"config.ini:{line}: [binding] aplication_key"
        installation.config.write_text(broken)

        site = api.see(lambda now: any(place in p["text"] for p in now["problems"]), "the typo is in the API")
        assert (site["state"], site["binding"]) == ("bound", held)
        assert any('did you mean "application_key"?' in problem["text"] for problem in site["problems"])
        said = installation.sitebind("status")
        assert (said.code, place in unwrapped(said.out)) == (0, True), said
        program.line(rf"config\.ini:{line}: \[binding\] aplication_key")
        metrics = api.ask("GET", "/metrics").text
        assert "sitebind_config_last_reload_successful 0.0" in metrics

        installation.save()
        site = api.see(lambda now: not now["problems"], "the finding is gone")
        assert (site["state"], site["binding"]["account_code"], len(api.binds())) == ("bound", "CUSA00A001", 1)
        assert "sitebind_config_last_reload_successful 1.0" in api.ask("GET", "/metrics").text
        assert "config.ini:" not in installation.sitebind("status").out


def test_a_typo_at_the_start_waits_for_the_mend_with_the_binding_held(installation: Installation) -> None:
    """Mended, the site is bound by what it holds: the inputs are the same, so nobody signs in again."""
    api = installation.api
    with installation.start() as program:
        held = api.reach("bound")["binding"]
        assert program.stop() == 0
    installation.config.write_text(installation.text().replace("application_key", "aplication_key"))
    with installation.start():
        site = api.see(lambda now: bool(now["problems"]), "the typo is a problem")
        assert (site["state"], site["binding"]) == ("unconfigured", held)
        assert installation.sitebind("status").code == 3
        answer = api.ask("POST", "/rebind")
        assert (answer.status, answer.headers["content-type"]) == (409, "application/problem+json")
        assert "[binding] aplication_key" in answer.text
        installation.save()
        assert api.reach("bound")["binding"]["bound_at"] == held["bound_at"]
        assert len(api.binds()) == 1
