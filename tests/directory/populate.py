"""Fills a Samba directory in a few transactions. Run by the system's Python, which has Samba's modules.

`python3 populate.py SAM_LDB SMB_CONF` reads JSON lines from its input, each `["add", {…}]`, `["modify", dn, {…}]`,
`["password", dn, password]` or `["commit"]`; values are text or lists of text.
"""

from __future__ import annotations

import json
import sys

import ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

DN_FLAGS = ldb.FLAG_MOD_REPLACE
RELAX = ["relax:0", "provision:0"]


def main(sam: str, configuration: str) -> None:
    """Do what the input says; a transaction lasts from one commit to the next."""
    parameters = LoadParm()
    parameters.load(configuration)
    database = SamDB(sam, session_info=system_session(), lp=parameters)
    database.transaction_start()
    for line in sys.stdin:
        done(database, json.loads(line))
    database.transaction_commit()


def done(database: SamDB, order: list) -> None:
    """One order."""
    match order:
        case ["add", attributes]:
            database.add(attributes)
        case ["modify", dn, attributes]:
            message = ldb.Message(ldb.Dn(database, dn))
            for name, values in attributes.items():
                message[name] = ldb.MessageElement(values, ldb.FLAG_MOD_REPLACE, name)
            database.modify(message, controls=RELAX)
        case ["password", dn, password]:
            database.setpassword(f"(distinguishedName={dn})", password)
        case ["commit"]:
            database.transaction_commit()
            database.transaction_start()


if __name__ == "__main__":
    main(*sys.argv[1:])
