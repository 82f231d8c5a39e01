"""Exchange Web Services, as little of them as proves a mailbox and impersonation: GetFolder. Both platforms' behaviour.

Mounted by `exchange.py` behind a password, and by `exchange_online.py` behind a token.
"""

from __future__ import annotations

from typing import Final, Literal

from daemon.sandbox import ews_codes, ews_messages, soap
from daemon.sandbox.call import Answer, Call, Refusal
from daemon.sandbox.ews_messages import Build, Folder, FolderWish, Identity, Request
from daemon.sandbox.script import Script, Trouble
from daemon.sandbox.tenant import Person, Tenant, identity

PATH: Final = "/EWS/Exchange.asmx"
Platform = Literal["on-premises", "microsoft-365"]

# [gap] ours: the builds. The label of a new server is one that it does not take in a request, as on real ones.
_BUILDS: Final[dict[Platform, Build]] = {
    "on-premises": Build(15, 1, 2507, 39, "V2017_07_11"),
    "microsoft-365": Build(15, 20, 9009, 21, "V2018_01_08"),
}
_VERSIONS: Final = frozenset(
    {
        "Exchange2007",
        "Exchange2007_SP1",
        "Exchange2010",
        "Exchange2010_SP1",
        "Exchange2010_SP2",
        "Exchange2013",
        "Exchange2013_SP1",
        "Exchange2015",
        "Exchange2015_SP1",
        "Exchange2016",
    }
)
# [gap] ours: there are no other folders. Name, class and parent by distinguished name.
_FOLDERS: Final = {
    "root": ("root", "", ""),
    "msgfolderroot": ("Top of Information Store", "IPF.Note", "root"),
    "inbox": ("Inbox", "IPF.Note", "msgfolderroot"),
}


class _Fault(Exception):
    """The whole request is refused, with a SOAP fault."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _ItemError(Exception):
    """One folder cannot be given."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Ews:
    """The service on one platform, which has the mailboxes that the tenant puts there."""

    def __init__(self, *, tenant: Tenant, script: Script, platform: Platform) -> None:
        self._tenant = tenant
        self._script = script
        self._platform: Platform = platform

    def answer(self, call: Call, caller: Person | None) -> Answer:
        """Answer a caller who has signed in; None is an application, which has no mailbox of its own."""
        if self._script.strikes(Trouble.EWS_DISABLED, call.endpoint):
            return Answer(status=403, body=b"", headers={"Content-Type": "text/plain"})
        try:
            request = ews_messages.read(call.body)
            return self._handled(request, call, caller)
        except soap.UnreadableXml:
            # [gap] ours: the status.
            return Answer(status=400, body=b"Bad Request", headers={"Content-Type": "text/plain"})
        except _Fault as fault:
            wait = self._tenant.ews_back_off if fault.code == ews_codes.BUSY else None
            return ews_messages.fault(fault.code, back_off=wait)

    def _handled(self, request: Request, call: Call, caller: Person | None) -> Answer:
        build = _BUILDS[self._platform]
        if not request.operation:
            raise _Fault("ErrorSchemaValidation")
        if request.version and request.version not in _VERSIONS:
            raise _Fault("ErrorInvalidServerVersion")
        if request.operation == "ConvertId":
            # [gap] ours: no id is ever well formed. Clients ask only to see the header.
            item = ews_messages.complaint("ErrorInvalidIdMalformed")
            return ews_messages.answer(request.operation, [(False, item)], build=build)
        if request.operation != "GetFolder":
            raise _Fault("ErrorInvalidRequest")
        if not request.well_formed:
            raise _Fault("ErrorSchemaValidation")
        user = self._user(request, call, caller)
        items = [self._item(wish, request, call, caller=caller, user=user) for wish in request.folders]
        return ews_messages.answer(request.operation, items, build=build)

    # Who works, and in whose name.

    def _user(self, request: Request, call: Call, caller: Person | None) -> Person:
        """Give the person in whose name the request is done, or refuse the whole of it."""
        forced = self._tenant.ews_error
        if forced and not ews_codes.is_of_an_item(forced):
            raise _Fault(forced)
        if caller is not None:
            _check_account(caller)
        if request.impersonated is None:
            if caller is None:
                raise _Fault("ErrorInvalidExchangeImpersonationHeaderData")
            return caller
        user = self._impersonated(request.impersonated)
        self._check_anchor(call, user)
        self._check_right(call, caller, user)
        return user

    def _impersonated(self, who: Identity) -> Person:
        match who.kind:
            case "PrimarySmtpAddress":
                found, missing = self._tenant.people.get(who.value.casefold()), "ErrorNonExistentMailbox"
            case "SmtpAddress":
                found, missing = self._tenant.person(who.value), "ErrorNonExistentMailbox"
            case "PrincipalName":
                found, missing = _by_principal_name(self._tenant, who.value), "ErrorInvalidUserPrincipalName"
            case "SID":  # [gap] ours: nobody here has one
                found, missing = None, "ErrorInvalidUserSid"
            case _:
                found, missing = None, "ErrorInvalidExchangeImpersonationHeaderData"
        if found is None:
            raise _Fault(missing)
        return found

    def _check_anchor(self, call: Call, user: Person) -> None:
        """Refuse an anchor that is not the impersonated mailbox: real servers then fail, or crawl."""
        anchor = call.headers.get("X-AnchorMailbox", "")
        if anchor and self._tenant.person(anchor) is not user:
            # [gap] ours: 500 without a body, always, and that a missing anchor does no harm.
            raise Refusal(Answer(status=500, body=b"", headers={"Content-Type": "text/plain"}))

    def _check_right(self, call: Call, caller: Person | None, user: Person) -> None:
        """Refuse a caller without the right to work in another's name; in one's own everybody may."""
        if caller is user:
            return
        # [gap] ours: an application keeps the account's own mailbox, as in Graph, so that it is the right that lacks.
        of_the_account = caller is None and user.may_impersonate
        denied = not of_the_account and self._script.strikes(Trouble.NO_IMPERSONATION, call.endpoint)
        if denied or (caller is not None and not caller.may_impersonate):
            raise _Fault("ErrorImpersonateUserDenied")

    # What is in the mailbox.

    def _item(
        self, wish: FolderWish, request: Request, call: Call, *, caller: Person | None, user: Person
    ) -> tuple[bool, str]:
        """Answer for one folder: whether there is one, and what is said of it."""
        try:
            self._check_mailbox(wish, call, caller=caller, user=user)
            return True, ews_messages.folder(_folder(wish, request, user))
        except _ItemError as error:
            return False, ews_messages.complaint(error.code)

    def _check_mailbox(self, wish: FolderWish, call: Call, *, caller: Person | None, user: Person) -> None:
        forced = self._tenant.ews_error
        if forced:
            raise _ItemError(forced)
        self._check_named(wish, user)
        own = caller is user
        gone = (own or caller is None) and self._script.strikes(Trouble.NO_MAILBOX, call.endpoint)
        if self._platform == "microsoft-365":
            # On premises such a mailbox is still there; it is autodiscover that no longer leads to it.
            gone = gone or self._script.strikes(Trouble.HALF_MIGRATED, call.endpoint)
        if gone or user.mailbox != self._platform:
            raise _ItemError("ErrorMissingEmailAddress" if own and not wish.mailbox else "ErrorNonExistentMailbox")
        if self._script.strikes(Trouble.MOVED_MAILBOX, call.endpoint):
            raise _ItemError("ErrorMailboxMoveInProgress")

    def _check_named(self, wish: FolderWish, user: Person) -> None:
        """Refuse a folder of a mailbox that is named and not the user's: nobody here has delegates."""
        if not wish.mailbox:
            return
        owner = self._tenant.person(wish.mailbox)
        if owner is None or owner.mailbox != self._platform:
            raise _ItemError("ErrorNonExistentMailbox")
        if owner is not user:
            raise _ItemError("ErrorAccessDenied")


def _check_account(caller: Person) -> None:
    # [gap] ours: that such an account gets as far as here; the sign-in may refuse it before. One that is impersonated
    # may be disabled, as the accounts of shared mailboxes are.
    if not caller.enabled:
        raise _Fault("ErrorAccountDisabled")
    if caller.password_expired:
        raise _Fault("ErrorPasswordExpired")


def _by_principal_name(tenant: Tenant, name: str) -> Person | None:
    wanted = name.casefold()
    return next((one for one in tenant.people.values() if one.signs_in_as.casefold() == wanted), None)


def _folder(wish: FolderWish, request: Request, user: Person) -> Folder:
    ids = {_id(name, user): name for name in _FOLDERS}
    name = wish.name or ids.get(wish.id, "")
    if name not in _FOLDERS:
        raise _ItemError("ErrorFolderNotFound" if wish.name else "ErrorInvalidIdMalformed")
    display, kind, parent = _FOLDERS[name]
    known = (
        ("FolderClass", kind),
        ("DisplayName", display),
        ("TotalCount", "0"),
        ("ChildFolderCount", str(sum(each[2] == name for each in _FOLDERS.values()))),
        ("UnreadCount", "0"),
    )
    everything = request.shape in {"Default", "AllProperties"}
    shown = tuple((field, value) for field, value in known if everything or f"folder:{field}" in request.fields)
    with_parent = parent and (everything or "folder:ParentFolderId" in request.fields)
    return Folder(id=_id(name, user), shown=shown, parent=_id(parent, user) if with_parent else "")


def _id(name: str, user: Person) -> str:
    return identity(f"{name} {user.address}")
