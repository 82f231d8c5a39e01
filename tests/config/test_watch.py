"""Changes are noticed however they are made, on real folders; time is moved by hand."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon.config import survey as survey_module
from daemon.config import watch as watch_module
from daemon.config.survey import survey, trail
from daemon.config.watch import Watcher

LONGEST = 10.0


class HandClock:
    """A debounce is over at once (after `during`); a poll is over when the test says so."""

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[float] = asyncio.Queue()
        self.poll = asyncio.Event()
        self.during: Callable[[], object] = lambda: None
        self.debounces = 0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        if seconds < 1:
            self.debounces += 1
            self.during()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return
        self.waiting.put_nowait(seconds)
        await self.poll.wait()
        self.poll.clear()


class Watched:
    """A watcher with its consumer: `change()` waits for the next change, `idle()` for a look that found none."""

    def __init__(self, watcher: Watcher, clock: HandClock) -> None:
        self.watcher = watcher
        self.clock = clock
        self.count = 0
        self._seen: asyncio.Queue[None] = asyncio.Queue()

    async def consume(self) -> None:
        async with aclosing(self.watcher.changes()) as changes:
            async for change in changes:
                self.count += 1
                self._seen.put_nowait(change)

    async def change(self) -> None:
        await asyncio.wait_for(self._seen.get(), LONGEST)

    async def idle(self) -> None:
        await asyncio.wait_for(self.clock.waiting.get(), LONGEST)


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    clock = HandClock()
    harness = Watched(Watcher(clock), clock)
    consumer = asyncio.create_task(harness.consume(), name="consumer")
    await harness.idle()
    yield harness
    harness.watcher.close()
    await asyncio.wait_for(consumer, LONGEST)


async def watch(watched: Watched, *targets: Path) -> None:
    """Start to watch; the consumer waits already."""
    await watched.watcher.watch(targets)


def replaced(path: Path, text: str) -> None:
    """As editors save: a new file takes the old one's name."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.replace(path)


async def test_three_of_three_edits_in_place_are_seen(watched: Watched, tmp_path: Path) -> None:
    path = tmp_path / "config.ini"
    path.write_text("0")
    await watch(watched, path)
    for text in "123":
        path.write_text(text)
        await watched.change()
    assert watched.count == 3


async def test_three_of_three_atomic_renames_are_seen(watched: Watched, tmp_path: Path) -> None:
    path = tmp_path / "config.ini"
    path.write_text("0")
    await watch(watched, path)
    for text in "123":
        replaced(path, text)
        await watched.change()
    assert watched.count == 3


def swap(folder: Path, version: str) -> None:
    """As the kubelet updates a ConfigMap: new folder, new link, the link takes the old link's name."""
    new = folder / f"..{version}"
    new.mkdir(parents=True)
    (new / "site.ini").write_text(version)
    (folder / "..data_tmp").symlink_to(new.name)
    (folder / "..data_tmp").rename(folder / "..data")
    if not (folder / "site.ini").is_symlink():
        (folder / "site.ini").symlink_to("..data/site.ini")


@pytest.mark.parametrize("target", ["site.ini", "."])
async def test_three_of_three_configmap_swaps_are_seen(target: str, *, watched: Watched, tmp_path: Path) -> None:
    """Whether the file or its whole folder is the configuration."""
    folder = tmp_path / "mounted"
    swap(folder, "v0")
    await watch(watched, folder / target)
    for version in ("v1", "v2", "v3"):
        swap(folder, version)
        await watched.change()
    assert watched.count == 3


async def test_a_folder_of_sites_gains_changes_and_loses_a_file(watched: Watched, tmp_path: Path) -> None:
    await watch(watched, tmp_path)
    (tmp_path / "a.ini").write_text("1")
    await watched.change()
    replaced(tmp_path / "a.ini", "2")
    await watched.change()
    (tmp_path / "a.ini").rename(tmp_path / "b.ini")
    await watched.change()
    (tmp_path / "b.ini").unlink()
    await watched.change()
    assert watched.count == 4


async def test_what_does_not_exist_yet_is_seen_when_it_appears(watched: Watched, tmp_path: Path) -> None:
    """The nearest folder that exists is watched."""
    path = tmp_path / "later" / "deep" / "secret"
    await watch(watched, path)
    path.parent.mkdir(parents=True)
    path.write_text("s3cret")
    await watched.change()


async def test_a_folder_that_is_removed_and_made_anew_is_still_watched(watched: Watched, tmp_path: Path) -> None:
    """Its new self has a new inode, or the old one's number."""
    path = tmp_path / "conf" / "config.ini"
    path.parent.mkdir()
    path.write_text("1")
    await watch(watched, path)
    path.unlink()
    path.parent.rmdir()
    await watched.change()
    path.parent.mkdir()
    path.write_text("2")
    await watched.change()
    replaced(path, "3")
    await watched.change()


async def test_a_folder_that_is_swapped_by_rename_is_followed(watched: Watched, tmp_path: Path) -> None:
    current, following = tmp_path / "current", tmp_path / "following"
    for folder in (current, following):
        folder.mkdir()
        (folder / "config.ini").write_text(folder.name)
    await watch(watched, current / "config.ini")
    current.rename(tmp_path / "former")
    following.rename(current)
    await watched.change()
    replaced(current / "config.ini", "new")
    await watched.change()


async def test_a_touched_file_is_no_change_but_other_rights_are(watched: Watched, tmp_path: Path) -> None:
    """Contents are compared; who may read a file decides whether a secret may stand in it."""
    path = tmp_path / "config.ini"
    path.touch(mode=0o600)
    path.write_text("same")
    await watch(watched, path)
    path.write_text("same")
    await watched.idle()
    assert watched.count == 0
    path.chmod(0o644)
    await watched.change()


async def test_a_database_in_the_same_folder_wakes_nobody(
    watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only names that matter become hints."""
    judged: list[tuple[str, bool]] = []
    matters = Watcher._matters

    def judge(self: Watcher, event: watch_module.Event) -> bool:
        judged.append((str(event.name), matters(self, event)))
        return judged[-1][1]

    monkeypatch.setattr(Watcher, "_matters", judge)
    (tmp_path / "config.ini").write_text("1")
    await watch(watched, tmp_path / "config.ini")
    (tmp_path / "sitebind.db").write_text("x")
    (tmp_path / "config.ini").write_text("2")
    await watched.change()
    assert {name for name, hint in judged if hint} == {"config.ini"}
    assert ("sitebind.db", False) in judged


async def test_the_poll_notices_what_no_event_told(
    watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without any watch to be had, it is said once, and the poll does the work."""

    def refuse() -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(watch_module, "Inotify", refuse)
    path = tmp_path / "config.ini"
    path.write_text("1")
    await watch(watched, path)
    path.write_text("2")
    watched.clock.poll.set()
    await watched.change()
    assert watched.clock.debounces == 0
    assert [record.getMessage() for record in caplog.records] == [
        f"cannot watch {tmp_path} (Too many open files); changes there are noticed within 30 seconds instead of at once"
    ]
    await watch(watched, tmp_path.parent / "elsewhere" / "config.ini")


async def test_what_is_watched_can_be_replaced(watched: Watched, tmp_path: Path) -> None:
    """A new target is no change; what is no longer watched is none either."""
    config, secret = tmp_path / "a" / "config.ini", tmp_path / "b" / "secret"
    for path in (config, secret):
        path.parent.mkdir()
        path.write_text("1")
    await watch(watched, config)
    await watch(watched, secret)
    config.write_text("2")
    secret.write_text("2")
    await watched.change()
    watched.clock.poll.set()
    await watched.idle()
    assert watched.count == 1


async def test_a_change_between_two_calls_of_watch_is_not_lost(watched: Watched, tmp_path: Path) -> None:
    """What was watched before keeps the digest that it had."""
    config, secret = tmp_path / "config.ini", tmp_path / "secret"
    config.write_text("1")
    await watch(watched, config)
    config.write_text("2")
    await watch(watched, config, secret)
    await watched.change()


async def test_a_burst_is_one_change_and_cannot_go_on_for_ever(watched: Watched, tmp_path: Path) -> None:
    """Quiet is waited for, eight times at most."""
    path = tmp_path / "config.ini"
    path.write_text("0")
    await watch(watched, path)
    watched.clock.during = lambda: path.write_text(str(watched.clock.debounces))
    path.write_text("x")
    await watched.change()
    assert watched.clock.debounces == 8
    watched.clock.during = lambda: None


async def test_after_an_overflow_everything_is_looked_at(watched: Watched, tmp_path: Path) -> None:
    """The kernel says so when it had to drop events."""
    overflow = watch_module.Event(watch=None, mask=watch_module.Mask.Q_OVERFLOW, cookie=0, name=None)
    assert watched.watcher._matters(overflow)


async def test_a_closed_watcher_ends_and_opens_nothing_any_more(tmp_path: Path) -> None:
    """Even when a look is under way."""
    clock = HandClock()
    watcher = Watcher(clock)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - only counted
    await watcher.watch([tmp_path])
    watcher.close()
    watcher.close()
    await watcher.watch([tmp_path / "other"])
    assert [change async for change in watcher.changes()] == []
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


# --- one look ----------------------------------------------------------------------------------


def test_a_trail_names_every_link_and_the_end(tmp_path: Path) -> None:
    """Relative and absolute links, dots, loops and what is missing."""
    real = tmp_path / "real"
    (real / "sub").mkdir(parents=True)
    (real / "file").touch()
    (tmp_path / "absolute").symlink_to(real)
    (real / "relative").symlink_to("sub/../file")
    (tmp_path / "loop").symlink_to("loop")
    assert list(trail(tmp_path / "absolute" / "relative")) == [
        (tmp_path, "absolute"), (real, "relative"), (real, "file"),
    ]  # fmt: skip
    assert list(trail(tmp_path / "gone" / "deeper")) == [(tmp_path, "gone")]
    assert set(trail(tmp_path / "loop")) == {(tmp_path, "loop")}
    assert list(trail(Path("/"))) == []


def test_a_digest_depends_on_its_key(tmp_path: Path) -> None:
    """So that it cannot be looked up in a list of common passwords."""
    (tmp_path / "secret").write_text("hunter2")
    digests = [survey([tmp_path / "secret"], key=key).digests for key in (b"one", b"one", b"two")]
    assert digests[0] == digests[1] != digests[2]


def test_what_vanishes_while_it_is_looked_at_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event of its vanishing brings the next look."""
    found = survey_module.Survey()
    survey_module._add_folder(found, tmp_path / "gone", {"x"})
    assert found.folders == {}
    monkeypatch.setattr(Path, "iterdir", lambda _: (_ for _ in ()).throw(FileNotFoundError(2, "gone")))
    assert survey([tmp_path], key=b"k").digests.keys() == {tmp_path}


def test_a_folder_that_is_reached_in_two_ways_is_watched_once(tmp_path: Path) -> None:
    """The kernel has one watch for it, so the names are put together."""
    found = survey_module.Survey()
    (tmp_path / "sub").mkdir()
    survey_module._add_folder(found, tmp_path, {"x"})
    survey_module._add_folder(found, tmp_path / "sub" / "..", {"y"})
    (folder,) = found.folders.values()
    assert folder.names == {"x", "y"}
