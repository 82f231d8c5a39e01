"""API 1.0: discovery, login, refresh, logout and the signed calls. Routed to by `server.py`.

Where a code or a rule is not public it is our invention and says "[gap] ours"; clients must not depend on it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from daemon.sandbox.call import Answer, Call, first_item, refuse, success
from daemon.sandbox.keys import TooManyKeys
from daemon.sandbox.records import account_record, profile_record
from daemon.sandbox.script import Script, Trouble
from daemon.sandbox.signin import SignIn
from daemon.sandbox.world import NO_ROLE, ROLES, SYNC_ADMINISTRATOR, Permission

if TYPE_CHECKING:
    from daemon.sandbox.keys import AccessKey
    from daemon.sandbox.world import Application, User, World

_GUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DATE: Final = re.compile(r"[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} UTC")
_DATE_TOLERANCE: Final = timedelta(minutes=15)  # [gap] ours
UNTRUSTED_BASE: Final = "https://attacker.example"


def signature(secret: bytes, *, date: str, request_id: str, path: str, application_key: str) -> str:
    """Sign a call: base64 of HMAC-SHA1 over the four parts joined by colons."""
    text = f"{date}:{request_id}:{path}:{application_key}"
    return base64.b64encode(hmac.digest(secret, text.encode(), hashlib.sha1)).decode()


class ApiV1:
    """The handlers. `regional_url` is asked at each discovery, since the port is known only after start."""

    def __init__(self, *, world: World, script: Script, regional_url: Callable[[], str]) -> None:
        self._world = world
        self._script = script
        self._regional_url = regional_url
        self._sign_in = SignIn(world, script)
        self._turn = 0

    def discover(self, call: Call) -> Answer:
        """Answer region and authentication types of an address; an unknown domain gets no `region`."""
        self._charge(call, key=None)
        # Some clients leave the date out here, so it is not demanded.
        self._application(call, "x-mc-req-id", "x-mc-app-id")
        address = _text(first_item(call), "emailAddress")
        if "@" not in address:
            message = "The email address is invalid"
            refuse(200, "err_validation_invalid_email_address", message=message, field_name="emailAddress")
        found: dict[str, object] = {
            "emailAddress": address,
            "emailToken": hashlib.sha256(address.encode()).hexdigest()[:32],
            "authenticate": self._sign_in.types_offered(call, address),
        }
        if self._world.account_for(address) and not self._script.strikes(Trouble.UNKNOWN_DOMAIN, call.endpoint):
            found["region"] = {"api": self._base_url(call)}
        return success(found)

    def login(self, call: Call) -> Answer:
        """Make a binding, or extend the one whose access key is in the body; both need the password."""
        self._charge(call, key=None)
        application = self._application(call, "x-mc-date", "x-mc-req-id", "x-mc-app-id")
        self._check_date(call)
        self._check_region(call)
        item = first_item(call)
        user = self._sign_in.user(call, item)
        key = self._issue(call, user, application) if "accessKey" not in item else self._extend(call, user, item)
        life = self._world.keys.lifetime
        return success(
            {
                "accessKey": key.access_key,
                "secretKey": key.secret_key,
                "bindingType": "one_step",
                # [gap] ours: 0 stands for a key that never expires.
                "duration": 0 if life is None else int(life / timedelta(milliseconds=1)),
                "extendOnValidate": False,
                "lastUserToken": True,
                "username": user.address,
            }
        )

    def logout(self, call: Call) -> Answer:
        """Revoke the binding named in the body; it must be the caller's user's own."""
        caller = self._signed(call)
        named = self._world.keys.find(_text(first_item(call), "accessKey"))
        if named is None or named.address != caller.address:
            # [gap] ours: what logging out a foreign or unknown key answers.
            refuse(200, "err_xdk_binding_not_found", message="Access key not found", field_name="accessKey")
        self._world.keys.revoke(named)
        return success({"accessKey": named.access_key})

    def account(self, call: Call) -> Answer:
        """Show the account; needs "Account | Dashboard | Read"."""
        user = self._user_of(self._signed(call))
        first_item(call)
        _demand(self._role(call, user), Permission.READ_ACCOUNT)
        self._turn += 1
        account = self._world.accounts[user.account_code]
        return success(account_record(self._world, account, turn=self._turn))

    def profile(self, call: Call) -> Answer:
        """Show a profile: the caller's own, or with enough rights that of somebody in the same account."""
        caller = self._user_of(self._signed(call))
        asked = first_item(call).get("emailAddress") or caller.address
        role = self._role(call, caller)
        _demand(role, Permission.READ_OWN_PROFILE)
        user = self._world.user(asked) if isinstance(asked, str) else None
        own = user is caller
        if user is None or user.account_code != caller.account_code or not (own or _may(role, Permission.READ_USERS)):
            message = "0003 Forbidden To Perform Operation For Address"
            # The code is known, its status is not: [gap] ours.
            refuse(403, "err_xdk_operation_forbidden_for_address", message=message, key={"emailAddress": asked})
        shown = role if own else user.role
        return success(profile_record(user, account=self._world.accounts[user.account_code], role=shown))

    def _signed(self, call: Call) -> AccessKey:
        """Check headers, application, signature and lifetime, in this order; give the binding that signed."""
        scheme, _, pair = call.headers.get("Authorization", "").partition(" ")
        access, _, offered = pair.partition(":")
        key = self._world.keys.find(access) if scheme == "MC" else None
        if key is not None and self._script.strikes_old(Trouble.REVOKED_KEYS, call.endpoint, epoch=key.epoch):
            key = None
        self._charge(call, key=key)
        application = self._application(call, "Authorization", "x-mc-date", "x-mc-req-id", "x-mc-app-id")
        self._check_date(call)
        self._check_region(call)
        # One answer for a wrong access key, secret or application key, as recorded.
        if (
            key is None
            or key.application_id != application.application_id
            or not _matches(key, application, call=call, offered=offered.strip())
        ):
            refuse(401, "err_xdk_invalid_signature", message="0004 Invalid Signature")
        late = self._script.strikes_old(Trouble.EXPIRED_BINDING, call.endpoint, epoch=key.epoch)
        if late or key.expired(call.now):
            refuse(418, "err_xdk_binding_expired", message="0018 Binding Expired")  # [gap] ours: the text
        return key

    def _charge(self, call: Call, *, key: AccessKey | None) -> None:
        if not call.spend(self._world.unknown_caller if key is None else key.allowance):
            refuse(429, "err_xdk_quota_exceeded", message="Quota exceeded")  # [gap] ours: code and text

    def _application(self, call: Call, *needed: str) -> Application:
        for name in needed:
            if not call.headers.get(name):
                status = 401 if name == "Authorization" else 400
                # [gap] ours: code and text.
                refuse(status, "err_xdk_missing_header", message=f"0001 Missing Header {name}")
        if not _GUID.fullmatch(call.headers["x-mc-req-id"]):
            refuse(400, "err_xdk_invalid_request_id", message="x-mc-req-id is not a GUID")  # [gap] ours
        wanted = call.headers["x-mc-app-id"]
        application = self._world.applications.get(wanted)
        if application is None or self._script.strikes(Trouble.BAD_APPLICATION, call.endpoint):
            refuse(200, "err_developer_key", message=f"App ID is invalid: {wanted}")
        return application

    def _check_date(self, call: Call) -> None:
        given = call.headers["x-mc-date"]
        sent = _parse_date(given)
        if sent is None:
            message = "x-mc-date does not read like Tue, 24 Nov 2015 12:50:11 UTC"
            refuse(400, "err_xdk_invalid_date", message=message)  # [gap] ours
        if abs(sent - call.service_time) > _DATE_TOLERANCE:
            refuse(401, "err_xdk_request_expired", message="0005 Request Date Out Of Range")  # [gap] ours

    def _check_region(self, call: Call) -> None:
        if self._script.strikes(Trouble.WRONG_REGION, call.endpoint):
            # The only public code for this belongs to another function; [gap] ours to use it everywhere.
            refuse(403, "err_audit_log_incorrect_region", message="Incorrect region for this account")

    def _base_url(self, call: Call) -> str:
        return UNTRUSTED_BASE if self._script.strikes(Trouble.UNTRUSTED_BASE, call.endpoint) else self._regional_url()

    def _issue(self, call: Call, user: User, application: Application) -> AccessKey:
        try:
            return self._world.keys.issue(
                user.address, application.application_id, now=call.now, epoch=self._script.epoch
            )
        except TooManyKeys:
            # [gap] ours: that the limit is a 409, its code and text.
            message = "Too Many Bindings: refresh one or log one out"
            refuse(409, "err_xdk_binding_limit_reached", message=message, key=user.address)

    def _extend(self, call: Call, user: User, item: dict[str, Any]) -> AccessKey:
        key = self._world.keys.find(_text(item, "accessKey"))
        wanted = call.headers["x-mc-app-id"]
        if key is None or key.address != user.address or key.application_id != wanted:
            # [gap] ours: refreshing a key that is not there.
            refuse(401, "err_xdk_invalid_access_key", message="0006 Unknown Access Key", key=user.address)
        self._world.keys.refresh(key, now=call.now, epoch=self._script.epoch)
        return key

    def _user_of(self, key: AccessKey) -> User:
        user = self._world.user(key.address)
        if user is None:
            refuse(401, "err_xdk_invalid_signature", message="0004 Invalid Signature")
        return user

    def _role(self, call: Call, user: User) -> str:
        return role_under_trouble(self._script, call, user.role)


def role_under_trouble(script: Script, call: Call, role: str) -> str:
    """Give the role that the service sees while a trouble about roles is in force."""
    if script.strikes(Trouble.MISSING_ROLE, call.endpoint):
        return NO_ROLE
    if script.strikes(Trouble.MINIMAL_ROLE, call.endpoint):
        return SYNC_ADMINISTRATOR
    return role


def _may(role: str, permission: Permission) -> bool:
    return permission in ROLES[role]


def _demand(role: str, permission: Permission) -> None:
    if not _may(role, permission):
        # [gap] ours: code and text of a missing permission.
        refuse(403, "err_xdk_operation_forbidden", message="0003 Forbidden To Perform Operation")


def _text(item: dict[str, Any], name: str) -> str:
    value = item.get(name)
    if value is None:
        refuse(200, "err_validation_null", message=f"{name} may not be null", field_name=name)
    if not isinstance(value, str) or not value.strip():
        refuse(200, "err_validation_blank", message=f"{name} may not be blank", field_name=name)
    return value.strip()


def _matches(key: AccessKey, application: Application, *, call: Call, offered: str) -> bool:
    expected = signature(
        key.secret,
        date=call.headers["x-mc-date"],
        request_id=call.headers["x-mc-req-id"],
        path=call.path,
        application_key=application.application_key,
    )
    return hmac.compare_digest(expected.encode(), offered.encode())


def _parse_date(text: str) -> datetime | None:
    if not _DATE.fullmatch(text):
        return None
    try:
        return parsedate_to_datetime(text.replace("UTC", "+0000"))
    except ValueError:
        return None
