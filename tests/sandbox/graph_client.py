"""A client of the identity platform and of Graph, by its own reading of the facts; given to tests by `conftest.py`."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from yarl import URL

from daemon.sandbox import tenant as known

if TYPE_CHECKING:
    from tests.sandbox.conftest import Client, Reply

EVENTUAL = {"ConsistencyLevel": "eventual"}


class GraphClient:
    """Asks Microsoft's host; a token is fetched once and kept."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.sandbox = client.sandbox
        self.tenant = client.sandbox.world.tenant
        self.url = client.sandbox.microsoft_url
        self._bearer = ""

    async def token(self, tenant: str = known.DEMO_TENANT, *, headers: Any = None, **changes: str | None) -> Reply:
        """Ask for a token; a change to None leaves the field out."""
        form = {
            "grant_type": "client_credentials",
            "client_id": known.DEMO_GRAPH_CLIENT,
            "client_secret": known.DEMO_GRAPH_SECRET,
            "scope": f"{self.url}/.default",
        } | changes
        sent = {name: value for name, value in form.items() if value is not None}
        path = f"{self.url}/{tenant}/oauth2/v2.0/token"
        return await self.client.send("POST", path, data=sent, headers=headers or {})

    async def bearer(self) -> str:
        if not self._bearer:
            self._bearer = (await self.token()).document["access_token"]
        return self._bearer

    async def get(
        self, path: str, *, headers: dict[str, str] | None = None, method: str = "GET", **query: str
    ) -> Reply:
        """Ask for a path below v1.0, or follow a link as it stands; `dollar_x` in the query is `$x`."""
        held = {"Authorization": f"Bearer {await self.bearer()}"}
        link = path.startswith("https:")
        url = URL(path, encoded=True) if link else URL(f"{self.url}/v1.0{path}")
        for name, value in query.items():
            url = url.update_query({name.replace("dollar_", "$"): value})
        return await self.client.send(method, url, headers=held | (headers or {}))  # type: ignore[arg-type]

    async def batch(self, *requests: Any) -> Reply:
        held = {"Authorization": f"Bearer {await self.bearer()}"}
        return await self.client.send(
            "POST", f"{self.url}/v1.0/$batch", headers=held, json={"requests": list(requests)}
        )

    async def pages(self, reply: Reply) -> AsyncIterator[list[dict[str, Any]]]:
        """Give this page and follow the links to the last one."""
        while True:
            assert reply.status == 200, reply.raw
            yield reply.document["value"]
            if "@odata.nextLink" not in reply.document:
                return
            reply = await self.get(reply.document["@odata.nextLink"])

    async def names(self, path: str, *, headers: dict[str, str] | None = None, **query: str) -> list[str]:
        """List the display names of one page, in order."""
        reply = await self.get(path, headers=headers, **query)
        assert reply.status == 200, reply.raw
        return [one["displayName"] for one in reply.document["value"]]


def claims(token: str) -> dict[str, Any]:
    """Read a token without checking it."""
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
