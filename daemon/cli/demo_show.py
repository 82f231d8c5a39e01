"""What happens in a demo from start to stop, and what it prints.

Imports the daemon and the sandbox whole, so it is itself imported only when the demo runs.
"""

from __future__ import annotations

import asyncio
import re
import shlex
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from daemon.app import serve
from daemon.cli.demo_folder import DemoFolder, refuse_a_taken_port
from daemon.cli.exits import Exit, Failure
from daemon.cli.invocation import invocation
from daemon.cli.sandbox import FOLDER
from daemon.cli.sandbox_alone import ports_from
from daemon.cli.sandbox_control import Control
from daemon.cli.terminal import plain
from daemon.config.ini import read_config
from daemon.config.secrets import SecretUnreadable, resolve_now
from daemon.sandbox import Sandbox, World, small_world
from daemon.sandbox.world import DEMO_EMAIL

# The commands are printed when the first bind has ended, or after so many seconds at the latest.
_HINTS_WITHIN: Final = 8.0
_SETTLED: Final = re.compile(r"-> (?:bound|failed)\b")


async def run(path: Path, *, listen: str | None, fresh: bool) -> int:
    """Run the demo in the folder `path` until Ctrl-C. Raises `Failure`."""
    folder = DemoFolder(path)
    first, again = await asyncio.to_thread(_prepare, folder, listen=listen, fresh=fresh)
    sandbox = Sandbox(directory=folder.sandbox, world=small_world(), ports=ports_from(first))
    await asyncio.to_thread(_let_the_password_fit, folder, sandbox.world)
    async with AsyncExitStack() as stack:
        await _start(sandbox, first, folder)
        # Stopped after the daemon, which may still talk to the service while it stops.
        stack.push_async_callback(sandbox.stop)
        show = Show(folder, sandbox=sandbox, again=again)
        stack.push_async_callback(show.end)
        code = await serve(folder.config, announce=show.listening, on_step=show.step)
    if code == Exit.WELL:
        print(f"Stopped. {folder.path} is kept: the next demo goes on from there; --fresh starts anew.")
    return code


class Show:
    """Prints what a person in front of the demo wants to see, each line as it happens."""

    def __init__(self, folder: DemoFolder, *, sandbox: Sandbox, again: bool) -> None:
        self._folder = folder
        self._sandbox = sandbox
        self._again = again
        self._early: list[str] | None = []
        self._settled = asyncio.Event()
        self._hints: asyncio.Task[None] | None = None

    def listening(self, url: str) -> None:
        """The daemon answers at `url`: print the addresses, and soon the commands to try."""
        print(f"sitebind: {url}")
        print(f"sandbox: {self._sandbox.global_url}")
        print(f"token: {self._folder.token()}")
        print(f"\nThe configuration is {self._folder.config}, the token lies in {self._folder.token_file}.")
        if self._again:
            print(
                "The demo ran here before. The simulated Mimecast begins anew each time: it wants the password that\n"
                "the configuration holds, and no longer knows the keys of the held binding. A site that was bound\n"
                "notices that within seconds and signs in again by itself; one that had failed waits for you."
            )
        print("\nEvery transition as it happens:", flush=True)
        early, self._early = self._early or [], None
        for line in early:
            print(line, flush=True)
        self._hints = asyncio.create_task(self._hint(url), name="demo hints")

    def step(self, text: str) -> None:
        """A transition happened."""
        line = f"{datetime.now(UTC):%H:%M:%S} {plain(text)}"
        if self._early is None:
            print(line, flush=True)
        else:  # what happens before the daemon answers is told under the heading, too
            self._early.append(line)
        if _SETTLED.search(text):
            self._settled.set()

    async def end(self) -> None:
        """Stop waiting for the moment to print the commands."""
        if self._hints is not None:
            self._hints.cancel()
            await asyncio.wait([self._hints])

    async def _hint(self, url: str) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._settled.wait(), _HINTS_WITHIN)
        print(commands_to_try(url, folder=self._folder, command=invocation()), flush=True)


def commands_to_try(url: str, *, folder: DemoFolder, command: str) -> str:
    """What to type in a second terminal, from the same folder, exactly as it works there."""
    config = shlex.quote(str(folder.config))
    sandbox = f"{command} sandbox"
    if folder.path != FOLDER:
        sandbox += f" --directory {shlex.quote(str(folder.path))}"
    return f"""
Open {url} in a browser, and sign in with the token: every page is there.

Try next, in a second terminal, from this folder:
  {command} status --config {config}
  curl -X POST {url}/rebind
  curl {url}/metrics

Break it, see it fail with the remedy and without a retry, and mend it:
  {sandbox} trouble wrong-password
  {command} rebind --wait --config {config}
  {command} status --config {config}
  {sandbox} heal
  {command} rebind --wait --config {config}
  {sandbox} troubles

Change the password at the service, then `password =` in {config} to `literal:new one`, and watch:
  {sandbox} set-password {DEMO_EMAIL} 'new one'

Look an address and a group up in the directory, and take away the right to work in other mailboxes:
  {command} resolve ada@example.test --config {config}
  {command} resolve 'All Staff' --members --config {config}
  {sandbox} trouble no-impersonation
  {command} doctor --config {config}
  {sandbox} heal

Read what happened, and prove that nobody changed the record:
  {command} audit tail --config {config}
  {command} audit verify --config {config}

Stop it with Ctrl-C.
"""


def _prepare(folder: DemoFolder, *, listen: str | None, fresh: bool) -> tuple[int, bool]:
    """The sandbox's first port, and whether the demo ran here before. Raises `Failure`."""
    if Control(folder.sandbox).answers():
        raise Failure(
            f"A demo or a sandbox runs in {folder.path} already: stop it with Ctrl-C where it runs, "
            "or take another folder with --directory.",
            Exit.USAGE,
        )
    try:
        if fresh:
            folder.clear()
        again = (folder.path / "sitebind.db").exists()
        first = folder.prepare(listen=listen)
    except OSError as error:
        raise Failure(f"The demo cannot use its folder {folder.path}: {error}", Exit.USAGE) from None
    settings = folder.daemon_settings()
    if settings is not None:
        refuse_a_taken_port(settings, config=folder.config)
    return first, again


def _let_the_password_fit(folder: DemoFolder, world: World) -> None:
    """A password that was changed in an earlier demo, there and in the configuration, still opens the door."""
    settings = read_config(folder.config).sites[0].settings
    if settings is None or settings.binding.password is None:
        return
    with suppress(SecretUnreadable):  # the daemon finds that out, too, and says it where it belongs
        world.set_password(settings.binding.email, resolve_now(settings.binding.password).reveal())


async def _start(sandbox: Sandbox, first: int, folder: DemoFolder) -> None:
    try:
        await sandbox.start()
    except OSError as error:
        raise Failure(
            f"The simulated Mimecast cannot listen on ports {first} to {first + 4}: {error.strerror or error}.\n"
            f"  {folder.config} names them. Stop what uses them, or start anew on others: sitebind demo --fresh",
            Exit.USAGE,
        ) from None
