"""A collector of traces that speaks OTLP over HTTP: it decodes what comes by the protocol's own definition.

That belongs to the extra, which only `make test` installs: it is imported when something comes.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One span as it came."""

    name: str
    trace: bytes
    id: bytes
    parent: bytes
    began: int
    ended: int
    status: str
    attributes: dict[str, Any]
    service: dict[str, Any]


class Collector:
    """Answers on a free port until the end of the `with` block. While it `is_silent` it says nothing."""

    def __init__(self) -> None:
        self.spans: list[Told] = []
        self.bodies: list[bytes] = []
        self.is_silent = False
        self._let_go = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, name="collector")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1/traces"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def whole(self, bind: str) -> list[Told]:
        """The spans of that bind's trace, its root first; none until the root has come."""
        root = next((span for span in self.spans if span.attributes.get("sitebind.bind.id") == bind), None)
        if root is None:
            return []
        return [root, *(span for span in self.spans if span.trace == root.trace and span is not root)]

    def take(self, body: bytes) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        self.bodies.append(body)
        for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = _plain(of_resource.resource.attributes)
            for scope in of_resource.scope_spans:
                self.spans += [_told(span, service) for span in scope.spans]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if collector.is_silent:
                    collector._let_go.wait()
                    return
                assert (self.path, self.headers["Content-Type"]) == ("/v1/traces", "application/x-protobuf")
                collector.take(body)
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")  # an answer with every field at its default
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        return Handler


def _told(span: Any, service: dict[str, Any]) -> Told:
    from opentelemetry.proto.trace.v1.trace_pb2 import Status

    return Told(
        name=span.name,
        trace=span.trace_id,
        id=span.span_id,
        parent=span.parent_span_id,
        began=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
        status=Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_").lower(),
        attributes=_plain(span.attributes),
        service=service,
    )


def _plain(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}
