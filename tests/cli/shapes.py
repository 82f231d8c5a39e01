"""JSON as the daemon's API answers it."""

from __future__ import annotations

from typing import Any


def a_site(**changed: Any) -> dict[str, Any]:
    return {
        "id": "default",
        "state": "bound",
        "since": "2026-11-23T11:50:00.000Z",
        "reason": "bind b-1 succeeded",
        "server_name": "server01",
        "display_name": "Head office",
        "site_code": "SITE-0001",
        "region": "us",
        "company": "Example Ltd",
        "version": "0.1.0",
        "binding": {
            "account_code": "CUSA00A001",
            "bound_at": "2026-11-23T11:50:00.000Z",
            "verified_at": "2026-11-23T11:59:00.000Z",
            "expires_at": "2026-11-23T23:50:00.000Z",
            "method": "cloud",
        },
        "retry_at": None,
        "problems": [],
        "ready": True,
        **changed,
    }


def a_problem(**changed: Any) -> dict[str, Any]:
    return {
        "code": "credentials-refused",
        "severity": "error",
        "text": "The service refused the password",
        "remedy": "Check the password, then rebind.",
        "since": "2026-11-23T11:55:00.000Z",
        **changed,
    }


def a_bind(**changed: Any) -> dict[str, Any]:
    return {
        "id": "b-7",
        "site": "default",
        "attempt": 7,
        "actor": "http:127.0.0.1",
        "reason": "asked for",
        "state": "open",
        "fault": None,
        "started_at": "2026-11-23T11:50:00.000Z",
        "finished_at": None,
        "steps": [],
        **changed,
    }


def a_step(name: str, **changed: Any) -> dict[str, Any]:
    return {"step": name, "status": "passed", "seconds": 0.31, "detail": f"{name} is well", "remedy": "", **changed}
