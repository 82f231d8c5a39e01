"""The usual way to write it: FastAPI, SQLAlchemy and python-statemachine. `python -m bench.peer DATABASE` serves it.

It does what our `POST /rebind` does for a site whose bind is open: the machine takes the event, an audit record with
the hash of the one before it is committed, at the same durability, and the open bind is answered. One lock keeps the
chain in order, as it must. It runs on uvloop and httptools, without an access log.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import uvicorn
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy import create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker
from statemachine import State, StateMachine


class Base(DeclarativeBase):
    """The tables."""


class Site(Base):
    """A site and its open bind."""

    __tablename__ = "sites"
    id: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    bind_id: Mapped[str]
    attempt: Mapped[int]
    started_at: Mapped[datetime]


class Audit(Base):
    """A record of the chain."""

    __tablename__ = "audit"
    seq: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[str]
    site: Mapped[str] = mapped_column(index=True)
    actor: Mapped[str]
    event: Mapped[str]
    before: Mapped[str]
    after: Mapped[str]
    request_id: Mapped[str | None]
    detail: Mapped[str]
    previous_hash: Mapped[str]
    hash: Mapped[str]


class Bind(BaseModel):
    """The answer."""

    model_config = ConfigDict(from_attributes=True)
    id: str
    site: str
    attempt: int
    actor: str
    reason: str
    state: str
    fault: str | None
    started_at: datetime
    finished_at: datetime | None
    steps: list[dict[str, Any]]


class Lifecycle(StateMachine):
    """Our five states, as far as a rebind has to do with them."""

    configured = State("configured", value="configured", initial=True)
    binding = State("binding", value="binding")
    bound = State("bound", value="bound")
    failed = State("failed", value="failed")
    bind_requested = configured.to(binding) | bound.to(binding) | failed.to(binding) | binding.to.itself(internal=True)
    bind_succeeded = binding.to(bound)
    bind_failed = binding.to(failed)


def application(database: Path) -> FastAPI:
    """The service over a new database."""
    engine = create_engine(f"sqlite:///{database}")
    event.listen(engine, "connect", _durable)
    Base.metadata.create_all(engine)
    served = FastAPI()
    served.state.sessions, served.state.turn = sessionmaker(engine), threading.Lock()
    with served.state.sessions.begin() as session:
        session.add(Site(id="default", state="binding", bind_id="b" * 16, attempt=1, started_at=datetime.now(UTC)))
    served.add_api_route("/rebind", rebind, methods=["POST"], status_code=202)
    return served


def rebind(request: Request, response: Response) -> Bind:
    """The route. With the session as a dependency its 40 threads and 15 connections wait for each other for ever."""
    state = request.app.state
    with state.turn, state.sessions() as session:
        bind = _joined(session, actor=f"http:{request.client.host if request.client else ''}")
    response.headers["Location"] = f"/api/v1/sites/{bind.site}/binds/{bind.id}"
    return bind


def _durable(connection: Any, _record: object) -> None:
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _joined(session: Session, *, actor: str) -> Bind:
    site = session.get_one(Site, "default")
    before = site.state
    Lifecycle(site).send("bind_requested")
    last = session.scalars(select(Audit).order_by(Audit.seq.desc()).limit(1)).first()
    session.add(_record(site, last, before=before, actor=actor))
    session.commit()
    return Bind(
        id=site.bind_id, site=site.id, attempt=site.attempt, actor=actor, reason="asked for through the API",
        state="open", fault=None, started_at=site.started_at, finished_at=None, steps=[],
    )  # fmt: skip


def _record(site: Site, last: Audit | None, *, before: str, actor: str) -> Audit:
    previous = last.hash if last else "0" * 64
    said = {"reason": "asked for through the API", "bind_id": site.bind_id, "attempt": 1, "joined": site.bind_id}
    record = {
        "seq": last.seq + 1 if last else 1, "at": datetime.now(UTC).isoformat(), "site": site.id, "actor": actor,
        "event": "bind_requested", "before": before, "after": site.state, "request_id": uuid4().hex,
        "detail": json.dumps(said), "previous_hash": previous,
    }  # fmt: skip
    text = json.dumps(record, sort_keys=True, separators=(",", ":"))
    return Audit(**record, hash=sha256(f"{previous}\n{text}".encode()).hexdigest())


def main() -> None:
    """Serve on a free port, which is printed."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", 0))
        listening.listen(1024)
        print(listening.getsockname()[1], flush=True)
        options = uvicorn.Config(
            application(Path(sys.argv[1])),
            loop="uvloop",
            http="httptools",
            access_log=False,
            log_level="warning",
            timeout_graceful_shutdown=2,
        )
        uvicorn.Server(options).run(sockets=[listening])


if __name__ == "__main__":
    main()
