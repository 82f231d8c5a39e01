"""msgraph-sdk, Microsoft's own client, finds in the sandbox the Graph that it was generated for.

Few calls, since the library needs milliseconds of computing for every object that it reads.
"""

from __future__ import annotations

import ssl
import time
import warnings
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest
from azure.identity.aio import ClientSecretCredential

from daemon.sandbox import Sandbox
from daemon.sandbox import tenant as known
from daemon.sandbox.tenant import crowd

# The library warns of classes of its own while it is imported, and it is imported piece by piece.
OWN_CLASSES = (
    "GetQueryParameters is deprecated",
    "This class is deprecated. Please use the generic RequestConfiguration",
)

with warnings.catch_warnings():
    for words in OWN_CLASSES:
        warnings.filterwarnings("ignore", message=words, category=DeprecationWarning)
    from kiota_abstractions.base_request_configuration import RequestConfiguration
    from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
    from msgraph import GraphRequestAdapter, GraphServiceClient
    from msgraph.generated.models.o_data_errors.o_data_error import ODataError
    from msgraph.generated.models.user import User
    from msgraph.generated.users.delta.delta_request_builder import DeltaRequestBuilder
    from msgraph.generated.users.users_request_builder import UsersRequestBuilder
    from msgraph_core import GraphClientFactory, PageIterator

pytestmark = [
    pytest.mark.slow,
    *(pytest.mark.filterwarnings(f"ignore:{words}:DeprecationWarning") for words in OWN_CLASSES),
]


@pytest.fixture
async def graph(sandbox: Sandbox) -> AsyncIterator[GraphServiceClient]:
    """The library as it comes, with its own retries and redirects; only host and CA are the sandbox's."""
    async with AsyncExitStack() as stack:
        credential = await stack.enter_async_context(
            ClientSecretCredential(
                known.DEMO_TENANT,
                known.DEMO_GRAPH_CLIENT,
                known.DEMO_GRAPH_SECRET,
                authority=sandbox.microsoft_url,
                disable_instance_discovery=True,
                connection_verify=str(sandbox.ca_file),
            )
        )
        tls = ssl.create_default_context(cafile=str(sandbox.ca_file))
        # The library's middleware never closes the transport that it wraps.
        transport = httpx.AsyncHTTPTransport(verify=tls)
        stack.push_async_callback(transport.aclose)
        plain = await stack.enter_async_context(httpx.AsyncClient(transport=transport))
        adapter = GraphRequestAdapter(
            AzureIdentityAuthenticationProvider(credential, scopes=[f"{sandbox.microsoft_url}/.default"]),
            client=GraphClientFactory.create_with_default_middleware(client=plain),
        )
        adapter.base_url = f"{sandbox.microsoft_url}/v1.0"
        yield GraphServiceClient(request_adapter=adapter)


def users(**query: object) -> RequestConfiguration:
    return RequestConfiguration(query_parameters=UsersRequestBuilder.UsersRequestBuilderGetQueryParameters(**query))


async def test_users_are_read_page_by_page(graph: GraphServiceClient, sandbox: Sandbox) -> None:
    sandbox.world.tenant.add(*crowd(20))
    answer = await graph.users.get(users(select=["id", "mail", "proxyAddresses", "accountEnabled"], top=10))
    assert answer is not None
    assert answer.odata_next_link is not None
    seen: list[User] = []

    def keep(user: User) -> bool:
        seen.append(user)
        return True

    await PageIterator(answer, graph.request_adapter).iterate(keep)
    assert len({user.id for user in seen}) == 28
    ada = next(user for user in seen if user.mail == known.DEMO_PROBE)
    assert ada.proxy_addresses == [f"SMTP:{known.DEMO_PROBE}", "smtp:ada@example.test", "smtp:countess@example.test"]
    assert ada.account_enabled is True


async def test_a_user_is_found_by_an_alias(graph: GraphServiceClient) -> None:
    answer = await graph.users.get(users(filter="proxyAddresses/any(x:x eq 'smtp:ada@example.test')"))
    assert answer is not None
    [found] = answer.value or []
    assert found.display_name == "Ada Lovelace"


async def test_changes_are_followed_from_link_to_link(graph: GraphServiceClient, sandbox: Sandbox) -> None:
    sandbox.world.tenant.page = 5
    asked = DeltaRequestBuilder.DeltaRequestBuilderGetQueryParameters(select=["displayName"])
    answer = await graph.users.delta.get(RequestConfiguration(query_parameters=asked))
    seen = 0
    while answer is not None and answer.odata_next_link:
        seen += len(answer.value or [])
        answer = await graph.users.delta.with_url(answer.odata_next_link).get()
    assert answer is not None
    assert seen + len(answer.value or []) == 8
    assert answer.odata_delta_link is not None
    sandbox.world.tenant.people.pop("left.company@example.test")
    changes = await graph.users.delta.with_url(answer.odata_delta_link).get()
    assert changes is not None
    [gone] = changes.value or []
    assert gone.additional_data["@removed"] == {"reason": "changed"}


async def test_members_of_a_group_are_read_through_the_groups_inside(graph: GraphServiceClient) -> None:
    groups = await graph.groups.get()
    assert groups is not None
    group = next(one for one in groups.value or [] if one.mail == known.DEMO_GROUP)
    every = await graph.groups.by_group_id(group.id or "").transitive_members.get()
    assert every is not None
    kinds = sorted(type(one).__name__ for one in every.value or [])
    assert kinds == ["Group"] * 3 + ["OrgContact"] + ["User"] * 6
    one_kind = graph.groups.by_group_id(group.id or "").transitive_members.graph_user
    with pytest.raises(ODataError, match="ConsistencyLevel"):
        await one_kind.get()
    asked = RequestConfiguration(query_parameters=one_kind.GraphUserRequestBuilderGetQueryParameters(count=True))
    asked.headers.add("ConsistencyLevel", "eventual")
    people = await one_kind.get(asked)
    assert people is not None
    assert people.odata_count == len(people.value or []) == 6


async def test_an_advanced_query_is_counted(graph: GraphServiceClient) -> None:
    asked = users(filter="endswith(mail,'muller@example.test')", count=True)
    asked.headers.add("ConsistencyLevel", "eventual")
    answer = await graph.users.get(asked)
    assert answer is not None
    assert answer.odata_count == 1


async def test_a_user_who_does_not_exist_is_an_error_of_odata(graph: GraphServiceClient) -> None:
    with pytest.raises(ODataError) as caught:
        await graph.users.by_user_id("nobody@example.test").get()
    assert caught.value.response_status_code == 404
    assert caught.value.error is not None
    assert caught.value.error.code == "Request_ResourceNotFound"
    assert caught.value.error.inner_error is not None
    assert caught.value.error.inner_error.request_id


async def test_a_missing_permission_is_an_error_of_odata(graph: GraphServiceClient, sandbox: Sandbox) -> None:
    sandbox.world.tenant.registrations[known.DEMO_GRAPH_CLIENT].roles = frozenset({"Mail.ReadBasic.All"})
    with pytest.raises(ODataError) as caught:
        await graph.users.get()
    assert caught.value.response_status_code == 403
    assert caught.value.error is not None
    assert caught.value.error.code == "Authorization_RequestDenied"


async def test_the_inbox_tells_whether_there_is_a_mailbox(graph: GraphServiceClient) -> None:
    inbox = await graph.users.by_user_id(known.DEMO_PROBE).mail_folders.by_mail_folder_id("inbox").get()
    assert inbox is not None
    assert inbox.display_name == "Inbox"
    with pytest.raises(ODataError) as caught:
        await graph.users.by_user_id("no.licence@example.test").mail_folders.by_mail_folder_id("inbox").get()
    assert caught.value.error is not None
    assert caught.value.error.code == "MailboxNotEnabledForRESTAPI"


async def test_a_call_that_is_throttled_comes_back_after_the_time_that_it_was_told(
    graph: GraphServiceClient, sandbox: Sandbox
) -> None:
    sandbox.script.start("throttled", times=1, seconds=1, endpoint="graph")
    before = time.monotonic()
    assert await graph.users.get(users(top=1)) is not None
    assert time.monotonic() - before >= 1
    assert sandbox.calls["graph"] == 2
