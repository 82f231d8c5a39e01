"""Who signs in to API 1.0, and why not: password, lock, two-step, authentication type. Used by `api_v1.py`.

The service's codes for these refusals are not public: every code, message and order here is [gap] ours. Known
are the status 401, the user name under `fail[].key`, and the sub code 0001 "type not supported for user".
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, Final, NoReturn

from daemon.sandbox.call import refuse
from daemon.sandbox.script import Script, Trouble
from daemon.sandbox.world import AuthenticationType

if TYPE_CHECKING:
    from daemon.sandbox.call import Call
    from daemon.sandbox.world import User, World

_SCHEMES: Final = {kind.value: kind for kind in AuthenticationType}
_OTHER_TYPE: Final = "SAML"  # [gap] ours: how a type that is no password is called


class SignIn:
    """Checks user name and password against the world and the script."""

    def __init__(self, world: World, script: Script) -> None:
        self._world = world
        self._script = script

    def types_offered(self, call: Call, address: str) -> list[str]:
        """List the authentication types that discovery shows for an address."""
        if self._script.strikes(Trouble.FORBIDDEN_AUTHENTICATION_TYPE, call.endpoint):
            return [_OTHER_TYPE]
        user = self._world.user(address)
        if user is not None:
            return [kind.value for kind in user.authentication_types]
        return [AuthenticationType.CLOUD.value] if self._world.account_for(address) else []

    def user(self, call: Call, item: dict[str, Any]) -> User:
        """Give the user who signed in, or refuse."""
        kind, name, password = _credentials(call)
        said = item.get("userName", item.get("username"))
        if not isinstance(said, str) or said.casefold() != name.casefold():
            refuse(400, "err_validation_null", message="userName must repeat the user", field_name="userName")
        user = self._world.user(name)
        if user is None:
            # The same answer as for a wrong password: it does not tell who exists.
            _deny(name, "err_xdk_invalid_credentials", message="0002 Invalid Credentials")
        self._check_state(call, user, kind=kind)
        self._check_password(call, user, password=password)
        return user

    def _check_state(self, call: Call, user: User, *, kind: AuthenticationType) -> None:
        if user.locked or self._script.strikes(Trouble.LOCKED_ACCOUNT, call.endpoint):
            _deny(user.address, "err_xdk_account_locked", message="0003 Account Locked")
        forbidden = self._script.strikes(Trouble.FORBIDDEN_AUTHENTICATION_TYPE, call.endpoint)
        if forbidden or kind not in user.authentication_types:
            message = "0001 Authentication Type Not Supported For User"
            _deny(user.address, "err_xdk_authentication_type_not_supported", message=message)

    def _check_password(self, call: Call, user: User, *, password: str) -> None:
        if self._script.strikes(Trouble.WRONG_PASSWORD, call.endpoint) or not user.password_is(password):
            user.wrong_passwords += 1
            user.locked = self._world.lock_after is not None and user.wrong_passwords >= self._world.lock_after
            _deny(user.address, "err_xdk_invalid_credentials", message="0002 Invalid Credentials")
        user.wrong_passwords = 0
        if user.password_expired:
            _deny(user.address, "err_xdk_password_expired", message="0007 Password Expired")
        if user.two_step or self._script.strikes(Trouble.TWO_STEP, call.endpoint):
            _deny(user.address, "err_xdk_two_step_required", message="0008 Two Step Authentication Required")


def _credentials(call: Call) -> tuple[AuthenticationType, str, str]:
    """Read `Basic-Cloud base64(user:password)`."""
    scheme, _, encoded = call.headers.get("Authorization", "").partition(" ")
    kind = _SCHEMES.get(scheme)
    if kind is None:
        refuse(401, "err_xdk_authentication_type_not_supported", message="0001 Unknown Authentication Type")
    try:
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        name = colon = password = ""
    if not name or not colon or not password:
        refuse(400, "err_xdk_credentials_missing", message="0001 Credentials Missing")
    return kind, name, password


def _deny(name: str, code: str, *, message: str) -> NoReturn:
    refuse(401, code, message=message, key=name)
