"""The sandbox in a process of its own, until Ctrl-C or SIGTERM. Started by `sitebind sandbox`.

Imports the whole sandbox, so it is itself imported only when that runs.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from daemon.cli.demo_account import microsoft_account
from daemon.cli.exits import Exit, Failure
from daemon.cli.sandbox import HOSTS
from daemon.sandbox import Ports, Sandbox, small_world
from daemon.sandbox.world import DEMO_APPLICATION_ID, DEMO_APPLICATION_KEY, DEMO_EMAIL, DEMO_PASSWORD


def ports_from(first: int) -> Ports:
    """Five ports in a row: the global host's, the regional host's, and those of API 2.0, Exchange and Microsoft."""
    return Ports(
        global_host=first,
        regional_host=first + 1,
        services_host=first + 2,
        exchange_host=first + 3,
        microsoft_host=first + 4,
    )


async def run(directory: Path, *, first_port: int) -> int:
    """Serve until told to stop. Raises `Failure` when a port is taken."""
    sandbox = Sandbox(directory=directory, world=small_world(), ports=ports_from(first_port))
    try:
        await sandbox.start()
    except OSError as error:
        raise Failure(
            f"The sandbox cannot listen on ports {first_port} to {first_port + HOSTS - 1}: {error.strerror or error}.\n"
            "  Does a demo or sandbox run already? Else take others: sitebind sandbox serve --port PORT",
            Exit.USAGE,
        ) from None
    try:
        print(_introduction(sandbox), flush=True)
        await _told_to_stop()
    finally:
        await sandbox.stop()
    return Exit.WELL


async def _told_to_stop() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


def _introduction(sandbox: Sandbox) -> str:
    return f"""sandbox: {sandbox.global_url}
A simulated Mimecast with a simulated Microsoft 365; they accept the sign-ins below and nothing real. A site's
configuration for them:

[account]
{microsoft_account(sandbox.microsoft_url)}

[binding]
authentication_type = cloud
email = {DEMO_EMAIL}
password = literal:{DEMO_PASSWORD}
application_id = {DEMO_APPLICATION_ID}
application_key = literal:{DEMO_APPLICATION_KEY}
service_url = {sandbox.global_url}
trusted_suffixes = localhost

[connection]
ca_file = {sandbox.ca_file.resolve()}

For authentication_type = application the service_url is {sandbox.services_url}
Exchange on premises (autodiscover_url): {sandbox.exchange_url}
Stop it with Ctrl-C."""
