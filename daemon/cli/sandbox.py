"""`sitebind sandbox`: the simulated Mimecast alone, and the words to steer it or the demo's.

`demo` and `sandbox serve` leave their addresses in FOLDER/sandbox/sandbox.json; the other commands find them there.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Final

from daemon.cli.exits import Exit
from daemon.cli.parser import Parser, add_json, count, seconds
from daemon.cli.sandbox_control import Control
from daemon.cli.terminal import labelled, plain

FOLDER: Final = Path(".demo")
PORT: Final = 8790
HOSTS: Final = 5
"""So many ports in a row it listens on, one for each host that is simulated."""

_EXAMPLES: Final = "sitebind sandbox trouble wrong-password\n  sitebind rebind --wait\n  sitebind sandbox heal"


def add(root: Parser) -> None:
    """Add the command with its own commands."""
    parser = root.command(
        "sandbox",
        help="run the simulated Mimecast alone, or make trouble in the one that runs (the demo's too)",
        example=_EXAMPLES,
        execute=serve,
    )
    _add_folder(parser)
    parser.set_defaults(port=None)
    _add_serve(parser)
    _add_trouble(parser)
    heal = _add(parser, "heal", help="end one trouble, or all", example="sitebind sandbox heal", execute=_heal)
    heal.add_argument("name", nargs="?", metavar="NAME", help="which; default: all")
    _add_password(parser)
    state = _add(
        parser,
        "state",
        help="show users, keys, calls and troubles in force",
        example="sitebind sandbox state --json",
        execute=_state,
    )
    add_json(state)


def _add(parser: Parser, name: str, **options: Any) -> Parser:
    command = parser.command(name, **options)
    _add_folder(command)
    return command


def _add_folder(parser: Parser) -> None:
    parser.add_argument(
        "--directory",
        metavar="FOLDER",
        type=Path,
        default=argparse.SUPPRESS,
        help=f"the folder of the demo, or of `sandbox serve` (default: {FOLDER})",
    )


def _add_serve(parser: Parser) -> None:
    alone = _add(
        parser,
        "serve",
        help="run the simulated Mimecast in the foreground",
        example="sitebind sandbox serve --port 8790",
        execute=serve,
    )
    alone.add_argument(
        "--port", type=count, default=None, metavar="PORT", help=f"the first of five ports (default: {PORT})"
    )


def _add_trouble(parser: Parser) -> None:
    trouble = _add(parser, "trouble", help="make trouble, until healed", example=_EXAMPLES, execute=_trouble)
    trouble.add_argument("name", metavar="NAME", help="see: sitebind sandbox troubles")
    trouble.add_argument("--times", type=count, metavar="N", help="heal by itself after so many calls")
    trouble.add_argument("--seconds", type=seconds, metavar="S", help="for troubles that have a length")
    trouble.add_argument("--endpoint", metavar="E", help="only there; see: sitebind sandbox troubles")
    troubles = _add(
        parser,
        "troubles",
        help="list every trouble there is",
        example="sitebind sandbox troubles",
        execute=_troubles,
    )
    add_json(troubles)


def _add_password(parser: Parser) -> None:
    password = _add(
        parser,
        "set-password",
        help="change the password of a user of the simulated Mimecast",
        example="sitebind sandbox set-password sync.admin@example.test 'a new one'",
        execute=_set_password,
    )
    password.add_argument("email", metavar="EMAIL")
    password.add_argument("password", metavar="PASSWORD", help="opens nothing but the sandbox")


def folder_of(args: argparse.Namespace) -> Path:
    """The folder that is meant."""
    return Path(getattr(args, "directory", FOLDER))


def serve(args: argparse.Namespace) -> int:
    """Run the sandbox alone until Ctrl-C."""
    import asyncio

    from daemon.cli.sandbox_alone import run

    return asyncio.run(run(folder_of(args) / "sandbox", first_port=args.port or PORT))


def _control(args: argparse.Namespace) -> Control:
    return Control(folder_of(args) / "sandbox")


def _trouble(args: argparse.Namespace) -> int:
    wanted = {"name": args.name, "times": args.times, "seconds": args.seconds, "endpoint": args.endpoint}
    answer = _control(args).post("/sandbox/trouble", {key: v for key, v in wanted.items() if v is not None})
    print(f"The simulated Mimecast now has: {_in_force(answer['active'])}.")
    return Exit.WELL


def _heal(args: argparse.Namespace) -> int:
    answer = _control(args).post("/sandbox/heal", {} if args.name is None else {"name": args.name})
    healed = ", ".join(map(plain, answer["healed"])) or "nothing, none was in force"
    print(f"Healed: {healed}. In force now: {_in_force(answer['active'])}.")
    return Exit.WELL


def _set_password(args: argparse.Namespace) -> int:
    answer = _control(args).post("/sandbox/password", {"email": args.email, "password": args.password})
    print(f"The simulated Mimecast now wants the new password of {plain(answer['user']['email'])}.")
    return Exit.WELL


def _troubles(args: argparse.Namespace) -> int:
    answer = _control(args).get("/sandbox/troubles")
    if args.json:
        print(json.dumps(answer, indent=2))
        return Exit.WELL
    for trouble in answer["troubles"]:
        length = f" SECONDS: {trouble['seconds']:g} unless said." if trouble["seconds"] is not None else ""
        where = f" At: {', '.join(trouble['endpoints'])}." if trouble["endpoints"] else ""
        print("\n".join(labelled(trouble["name"], f"{trouble['help']}{length}{where}", column=31)))
    return Exit.WELL


def _state(args: argparse.Namespace) -> int:
    state = _control(args).get("/sandbox/state")
    if args.json:
        print(json.dumps(state, indent=2))
        return Exit.WELL
    print("\n".join(labelled("troubles", _in_force(state["troubles"]))))
    for user in state["users"]:
        marks = [mark for mark in ("locked", "two_step", "password_expired") if user[mark]]
        text = f"{user['email']} ({user['role'] or 'no role'}) {', '.join(marks)}".rstrip()
        print("\n".join(labelled("user", text)))
    for key in state["keys"]:
        print("\n".join(labelled("key", f"{key['key']} of {key['email']}, expires {key['expires_at'] or 'never'}")))
    calls = ", ".join(f"{name} {number}" for name, number in state["calls"].items())
    print("\n".join(labelled("calls", calls or "none yet")))
    return Exit.WELL


def _in_force(troubles: list[dict[str, Any]]) -> str:
    return ", ".join(plain(trouble["name"]) for trouble in troubles) or "no trouble"
