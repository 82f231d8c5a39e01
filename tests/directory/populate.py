"""Fills a Samba directory in a few transactions. Run by the system's Python, which has Samba's modules.

`python3 populate.py SAM_LDB SMB_CONF` reads JSON lines from its input, each `["add", {…}]`, `["modify", dn, {…}]`,
`["insert", dn, {…}]`, `["password", dn, password]`, `["password set", dn, moment]`, `["primary", user, group]` or
`["commit"]`; values are text or lists of text.
"""

from __future__ import annotations

import json
import sys

import ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

# What only a domain controller itself may write otherwise: when a password was set, when an account was locked.
RELAX = ["relax:0", "provision:0"]
# Past the module that lets nobody say when a password was set.
PAST_PASSWORDS = [*RELAX, "local_oid:1.3.6.1.4.1.7165.4.3.12:0"]


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
            database.modify(changed(database, dn, attributes), controls=RELAX)
        case ["insert", dn, attributes]:
            database.modify(changed(database, dn, attributes, how=ldb.FLAG_MOD_ADD), controls=RELAX)
        case ["password set", dn, moment]:
            database.modify(changed(database, dn, {"pwdLastSet": moment}), controls=PAST_PASSWORDS)
        case ["password", dn, password]:
            database.setpassword(f"(distinguishedName={dn})", password)
        case ["primary", user, group]:
            [found] = database.search(group, scope=ldb.SCOPE_BASE, attrs=["objectSid"])
            rid = int.from_bytes(found["objectSid"][0][-4:], "little")
            done(database, ["modify", user, {"primaryGroupID": str(rid)}])
        case ["commit"]:
            database.transaction_commit()
            database.transaction_start()


def changed(database: SamDB, dn: str, attributes: dict, *, how: int = ldb.FLAG_MOD_REPLACE) -> ldb.Message:
    """A message that replaces attributes, or adds to them."""
    message = ldb.Message(ldb.Dn(database, dn))
    for name, values in attributes.items():
        message[name] = ldb.MessageElement(values, how, name)
    return message


if __name__ == "__main__":
    main(*sys.argv[1:])
