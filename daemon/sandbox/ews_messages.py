"""Exchange Web Services as XML: requests read, answers written. Used by `ews.py`, which decides what is answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element

from daemon.sandbox import soap
from daemon.sandbox.call import Answer
from daemon.sandbox.ews_codes import message_of

MESSAGES: Final = "http://schemas.microsoft.com/exchange/services/2006/messages"
TYPES: Final = "http://schemas.microsoft.com/exchange/services/2006/types"
ERRORS: Final = "http://schemas.microsoft.com/exchange/services/2006/errors"
_SOAP: Final = soap.ENVELOPE
_BY_NAME: Final = f"{{{TYPES}}}DistinguishedFolderId"
_BY_ID: Final = f"{{{TYPES}}}FolderId"


@dataclass(frozen=True, slots=True)
class Build:
    """The version of a server, as its header says it; `label` is the one that it gives a name of its own."""

    major: int
    minor: int
    major_build: int
    minor_build: int
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who is to be impersonated; `kind` is PrincipalName, SID, PrimarySmtpAddress or SmtpAddress.

    Empty where the header names nobody, or more than one.
    """

    kind: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderWish:
    """A folder that is asked for: by a distinguished name, in an address's mailbox where one is given, or by id."""

    name: str = ""
    mailbox: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request: `operation` is the element in its body, empty where that is not of the messages' namespace.

    `well_formed`: its folders and their shape are of the types' namespace.
    """

    operation: str
    version: str = ""
    impersonated: Identity | None = None
    shape: str = ""
    fields: frozenset[str] = frozenset()
    folders: tuple[FolderWish, ...] = ()
    well_formed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder as it is shown: element name to text, of those that were asked for."""

    id: str
    shown: tuple[tuple[str, str], ...] = ()
    parent: str = ""


def read(body: bytes) -> Request:
    """Read a request. Raises `soap.UnreadableXml`."""
    root = soap.read(body)
    header, content = root.find(f"{{{_SOAP}}}Header"), root.find(f"{{{_SOAP}}}Body")
    first = next(iter(content), None) if content is not None else None
    if root.tag != f"{{{_SOAP}}}Envelope" or first is None or not first.tag.startswith(f"{{{MESSAGES}}}"):
        return Request(operation="")
    shape = first.find(f"{{{MESSAGES}}}FolderShape")
    base = soap.words(shape, f"{{{TYPES}}}BaseShape") if shape is not None else ""
    wishes = _within(first, f"{{{MESSAGES}}}FolderIds")
    return Request(
        operation=first.tag.rpartition("}")[2],
        version=_version(header),
        impersonated=_identity(header),
        shape=base,
        fields=frozenset(each.get("FieldURI", "") for each in first.iter(f"{{{TYPES}}}FieldURI")),
        folders=tuple(map(_wish, wishes)),
        well_formed=bool(base and wishes) and all(each.tag in {_BY_NAME, _BY_ID} for each in wishes),
    )


def _version(header: Element | None) -> str:
    named = header.find(f"{{{TYPES}}}RequestServerVersion") if header is not None else None
    return named.get("Version", "") if named is not None else ""


def _identity(header: Element | None) -> Identity | None:
    impersonation = header.find(f"{{{TYPES}}}ExchangeImpersonation") if header is not None else None
    if impersonation is None:
        return None
    named = _within(impersonation, f"{{{TYPES}}}ConnectingSID")
    if len(named) != 1 or not (value := (named[0].text or "").strip()):
        return Identity()
    return Identity(kind=named[0].tag.removeprefix(f"{{{TYPES}}}"), value=value)


def _within(parent: Element, tag: str) -> list[Element]:
    found = parent.find(tag)
    return [] if found is None else list(found)


def _wish(element: Element) -> FolderWish:
    mailbox = soap.words(element, f"{{{TYPES}}}Mailbox/{{{TYPES}}}EmailAddress")
    id = element.get("Id", "")  # noqa: A001 - the protocol's word
    if element.tag == _BY_NAME:
        return FolderWish(name=id, mailbox=mailbox)
    return FolderWish(id=id)


def folder(found: Folder) -> str:
    """Write one folder that was found."""
    parent = f'<t:ParentFolderId Id={soap.attribute(found.parent)} ChangeKey="AQAAAA=="/>' if found.parent else ""
    shown = "".join(f"<t:{name}>{soap.text(value)}</t:{name}>" for name, value in found.shown)
    held = f'<t:Folder><t:FolderId Id={soap.attribute(found.id)} ChangeKey="AQAAAA=="/>{parent}{shown}</t:Folder>'
    return f"<m:ResponseCode>NoError</m:ResponseCode><m:Folders>{held}</m:Folders>"


def complaint(code: str) -> str:
    """Write one item that could not be given."""
    return (
        f"<m:MessageText>{soap.text(message_of(code))}</m:MessageText><m:ResponseCode>{soap.text(code)}</m:ResponseCode>"
        "<m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>"
    )


def answer(operation: str, items: list[tuple[bool, str]], *, build: Build) -> Answer:
    """Build the answer to an operation: for each item whether it went well, and what is said of it."""
    said = "".join(
        f'<m:{operation}ResponseMessage ResponseClass="{"Success" if well else "Error"}">{content}'
        f"{_empty_part(operation, well=well)}</m:{operation}ResponseMessage>"
        for well, content in items
    )
    body = (
        f'<m:{operation}Response xmlns:m="{MESSAGES}" xmlns:t="{TYPES}">'
        f"<m:ResponseMessages>{said}</m:ResponseMessages></m:{operation}Response>"
    )
    return soap.answer(soap.envelope(body, header=_server(build)))


def _empty_part(operation: str, *, well: bool) -> str:
    return "<m:Folders/>" if operation == "GetFolder" and not well else ""


def _server(build: Build) -> str:
    return (
        f'<h:ServerVersionInfo xmlns:h="{TYPES}" MajorVersion="{build.major}" MinorVersion="{build.minor}" '
        f'MajorBuildNumber="{build.major_build}" MinorBuildNumber="{build.minor_build}" Version="{build.label}"/>'
    )


def fault(code: str, *, message: str = "", back_off: int | None = None) -> Answer:
    """Build the fault of a whole request; `back_off` in milliseconds, where the server asks to wait."""
    said = message or message_of(code)
    wait = (
        f'<t:MessageXml xmlns:t="{TYPES}"><t:Value Name="BackOffMilliseconds">{back_off}</t:Value></t:MessageXml>'
        if back_off is not None
        else ""
    )
    detail = (
        f'<e:ResponseCode xmlns:e="{ERRORS}">{soap.text(code)}</e:ResponseCode>'
        f'<e:Message xmlns:e="{ERRORS}">{soap.text(said)}</e:Message>{wait}'
    )
    return soap.fault(f'<faultcode xmlns:a="{TYPES}">a:{soap.text(code)}</faultcode>', message=said, detail=detail)
