"""Microsoft's national clouds: which hosts belong to an app registration's host address. Pure.

Read by the rules of a configuration and by whoever resolves it for an attempt. The names come from Microsoft's
public documentation and from a recorded answer of its instance discovery.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class NationalCloud:
    """One cloud: the addresses of its identity platform, of Graph, and of Exchange Online."""

    name: str
    authority: str
    graph: str
    outlook: str


GLOBAL: Final = NationalCloud(
    name="global",
    authority="https://login.microsoftonline.com",
    graph="https://graph.microsoft.com",
    outlook="https://outlook.office365.com",
)
US_GOVERNMENT: Final = NationalCloud(
    name="US Government (GCC High)",
    authority="https://login.microsoftonline.us",
    graph="https://graph.microsoft.us",
    outlook="https://outlook.office365.us",
)
US_DEFENSE: Final = NationalCloud(
    name="US Department of Defense",
    authority="https://login.microsoftonline.us",
    graph="https://dod-graph.microsoft.us",
    outlook="https://outlook-dod.office365.us",
)
CHINA: Final = NationalCloud(
    name="China (21Vianet)",
    authority="https://login.partner.microsoftonline.cn",
    graph="https://microsoftgraph.chinacloudapi.cn",
    outlook="https://partner.outlook.cn",
)

_BY_HOST: Final = {
    "login.microsoftonline.com": GLOBAL,
    "login.microsoft.com": GLOBAL,
    "login.windows.net": GLOBAL,
    "sts.windows.net": GLOBAL,
    "login.microsoftonline.us": US_GOVERNMENT,
    "login.usgovcloudapi.net": US_GOVERNMENT,
    "login.partner.microsoftonline.cn": CHINA,
    "login.chinacloudapi.cn": CHINA,
}
_BY_GRAPH: Final = {cloud.graph: cloud for cloud in (GLOBAL, US_GOVERNMENT, US_DEFENSE, CHINA)}


def cloud_of(host_address: str, *, graph_url: str = "", exchange_online_url: str = "") -> NationalCloud | None:
    """The cloud of a host address (`host` or `host:port`; empty: the global one), other addresses put over it.

    GCC High and the Department of Defense share their host: there `graph_url` decides. None where the host is
    unknown and the other two addresses are not both given.
    """
    known = GLOBAL if not host_address else _BY_HOST.get(host_address.casefold())
    if known is not None:
        by_graph = _BY_GRAPH.get(graph_url)
        if by_graph is not None and by_graph.authority == known.authority:
            known = by_graph
        return NationalCloud(
            name=known.name,
            authority=known.authority,
            graph=graph_url or known.graph,
            outlook=exchange_online_url or known.outlook,
        )
    if not graph_url or not exchange_online_url:
        return None
    return NationalCloud(
        name=host_address, authority=f"https://{host_address}", graph=graph_url, outlook=exchange_online_url
    )
