"""The Microsoft sides that a site of the clinic may have, in the sandbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from daemon.ports import DIRECTORY_LAYERS, MAILBOX_LAYERS
from daemon.sandbox import Sandbox, tenant
from tests.running import microsoft_options

MICROSOFT = ("directory type", *MAILBOX_LAYERS, *DIRECTORY_LAYERS)
"""The layers of the Microsoft side, in the order in which the doctor tells them."""


def exchange(sandbox: Sandbox) -> dict[str, str]:
    """Exchange on premises: every mailbox of the sandbox's company is moved there."""
    for person in sandbox.world.tenant.people.values():
        person.mailbox = person.mailbox and "on-premises"
    return {
        "smtp_address": tenant.DEMO_MAILBOX,
        "password": f"literal:{tenant.DEMO_MAILBOX_PASSWORD}",
        "impersonation_probe": tenant.DEMO_PROBE,
        "autodiscover_url": sandbox.exchange_url,
        "trusted_hosts": "localhost",
    }


MICROSOFT_SIDES: Mapping[str, Callable[[Sandbox], dict[str, str]]] = {
    "exchange": exchange,
    "microsoft-365": microsoft_options,
}
