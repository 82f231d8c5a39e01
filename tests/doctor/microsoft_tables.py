"""The tables of error codes in `docs/microsoft.md`, written from the adapters' own."""

from __future__ import annotations

from pathlib import Path

from daemon.providers import aadsts, ews_errors, kerberos_errors, ldap_errors

PAGE = Path(__file__).resolve().parents[2] / "docs" / "microsoft.md"


def tables() -> dict[str, list[str]]:
    """The rows of each table by the name of its place in the page."""
    ews = [_row(row.code, row.meaning, row.fault.remedy) for row in ews_errors.TABLE]
    identity = [_row(f"AADSTS{row.number}", row.advice or row.fault.code, row.fault.remedy) for row in aadsts.TABLE]
    ldap = [
        _row(f"{row.code} {row.sub}".strip(), row.words, row.fault.remedy)
        for row in (*ldap_errors.SIGN_IN_ROWS, *ldap_errors.ROWS)
    ]
    kerberos = [
        *(_row(str(row.number), row.words, row.fault.remedy) for row in kerberos_errors.ROWS if row.number >= 0),
        *(_row(f"LDAP {row.code} {row.sub}".strip(), row.words, row.fault.remedy) for row in ldap_errors.KERBEROS_ROWS),
    ]
    return {"ews": ews, "aadsts": identity, "ldap": ldap, "kerberos": kerberos}


def rewritten(text: str) -> str:
    """The page with every table as it has to be."""
    for name, rows in tables().items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        before, _, rest = text.partition(begin)
        head = ["| code | what it means | what to do |", "| --- | --- | --- |"]
        text = before + begin + "\n".join([*head, *rows]) + "\n" + end + rest.partition(end)[2]
    return text


def _row(code: str, meaning: str, remedy: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in (code, meaning, remedy)) + " |"


def rewrite() -> None:
    """Put the tables into the page."""
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
