"""The national clouds follow from the host address."""

from __future__ import annotations

import pytest

from daemon.config.clouds import cloud_of


@pytest.mark.parametrize(
    "host, graph, expected",
    [
        ("", "", "https://graph.microsoft.com"),
        ("login.microsoftonline.com", "", "https://graph.microsoft.com"),
        ("STS.windows.net", "", "https://graph.microsoft.com"),
        ("login.microsoftonline.us", "", "https://graph.microsoft.us"),
        ("login.microsoftonline.us", "https://dod-graph.microsoft.us", "https://dod-graph.microsoft.us"),
        ("login.partner.microsoftonline.cn", "", "https://microsoftgraph.chinacloudapi.cn"),
    ],
)
def test_graph_follows_from_the_host_address(host: str, graph: str, expected: str) -> None:
    """Never written out: the scope of a token is made of it."""
    cloud = cloud_of(host, graph_url=graph)
    assert cloud is not None
    assert cloud.graph == expected


def test_the_department_of_defense_has_an_exchange_online_of_its_own() -> None:
    """It shares its identity platform with GCC High."""
    cloud = cloud_of("login.microsoftonline.us", graph_url="https://dod-graph.microsoft.us")
    assert cloud is not None
    assert cloud.outlook == "https://outlook-dod.office365.us"


def test_a_graph_of_another_cloud_does_not_change_the_identity_platform() -> None:
    """Only the address that was written is put over the known one."""
    cloud = cloud_of("", graph_url="https://graph.microsoft.us")
    assert cloud is not None
    assert (cloud.authority, cloud.graph) == ("https://login.microsoftonline.com", "https://graph.microsoft.us")
    assert cloud.outlook == "https://outlook.office365.com"


def test_an_unknown_host_is_no_cloud_without_both_other_addresses() -> None:
    """Then they are all the administrator's own."""
    assert cloud_of("login.example.com") is None
    assert cloud_of("login.example.com", graph_url="https://g.example.com") is None
    cloud = cloud_of("localhost:8794", graph_url="https://g:1", exchange_online_url="https://o:2")
    assert cloud is not None
    assert (cloud.authority, cloud.graph, cloud.outlook) == ("https://localhost:8794", "https://g:1", "https://o:2")
