"""API 2.0: client-credentials token and the calls behind it. Routed to by `server.py`.

Where a code or a rule is not public it is our invention and says "[gap] ours".
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final, NoReturn
from urllib.parse import parse_qs

from daemon.sandbox.api_v1 import role_under_trouble
from daemon.sandbox.call import Answer, Call, Refusal, first_item, gateway_failure, refuse, success
from daemon.sandbox.keys import TOKEN_LIFE, Token
from daemon.sandbox.records import (
    account_record,
    application_profile_record,
    profile_record,
    role_records,
    user_record,
)
from daemon.sandbox.script import Script, Trouble
from daemon.sandbox.world import NO_ROLE, ROLES, Account, Permission, ServiceApplication

if TYPE_CHECKING:
    from daemon.sandbox.world import World

_LARGEST_PAGE: Final = 100
_FORBIDDEN: Final = "Forbidden to perform the requested operation"
_NO_PRODUCT: Final = "The requested resource is not part of any product of the application"  # [gap] ours: the text


class ApiV2:
    """The handlers."""

    def __init__(self, *, world: World, script: Script) -> None:
        self._world = world
        self._script = script
        self._turn = 0

    def token(self, call: Call) -> Answer:
        """Exchange client id and secret (form body) for a bearer token."""
        if not call.spend(self._world.unknown_caller):
            _gateway(429, "too_many_requests", message="Quota exceeded")  # [gap] ours: code and text
        form = _form(call)
        if form.get("grant_type") != "client_credentials":
            _oauth(400, "unsupported_grant_type", description="grant_type must be client_credentials")
        application = self._world.service_applications.get(form.get("client_id", ""))
        offered = form.get("client_secret", "")
        genuine = application is not None and hmac.compare_digest(application.client_secret.encode(), offered.encode())
        wrong = self._script.strikes(Trouble.WRONG_PASSWORD, call.endpoint)
        unknown = self._script.strikes(Trouble.BAD_APPLICATION, call.endpoint)
        if application is None or not genuine or wrong or unknown:
            _oauth(401, "invalid_client", description="Client credentials are invalid")
        token = self._world.tokens.issue(application.client_id, now=call.now, epoch=self._script.epoch)
        life = int(TOKEN_LIFE.total_seconds())
        return Answer(
            body={"access_token": token.value, "token_type": "Bearer", "expires_in": life, "scope": ""},
            headers={"Cache-Control": "no-store"},
        )

    def account(self, call: Call) -> Answer:
        """Show the account, in the envelope of API 1.0."""
        application = self._authorised(call, product="Account Management", permission=Permission.READ_ACCOUNT)[0]
        first_item(call)
        self._turn += 1
        return success(account_record(self._world, self._account(application), turn=self._turn))

    def profile(self, call: Call) -> Answer:
        """Show the profile of an address, or without one the application's own."""
        application, role = self._authorised(call, product="Account Management", permission=Permission.READ_OWN_PROFILE)
        asked = first_item(call).get("emailAddress")
        account = self._account(application)
        if asked is None:
            return success(application_profile_record(application, account=account, role=role))
        user = self._world.user(asked) if isinstance(asked, str) else None
        if user is None or user.account_code != account.code:
            message = "0003 Forbidden To Perform Operation For Address"
            # The code is known, its status is not: [gap] ours.
            refuse(403, "err_xdk_operation_forbidden_for_address", message=message, key={"emailAddress": asked})
        return success(profile_record(user, account=account, role=user.role))

    def whoami(self, call: Call) -> Answer:
        """Say whose token this is; needs no product."""
        application, _ = self._authorised(call, product=None, permission=None)
        account = self._account(application)
        codes = {"ci": account.code, "cg": account.code, "x1": None, "lead": "cg"}
        # [gap] ours: the inside of home-account, the values of version and type.
        home = {"account-code": account.code, "name": account.name, "region": account.region}
        return Answer(body={"version": "1.0", "type": "application", "account-codes": codes, "home-account": home})

    def roles(self, call: Call) -> Answer:
        """List the roles, page by page."""
        self._authorised(call, product="Roles Management", permission=Permission.READ_ROLES)
        return _page(call, "roles", items=role_records())

    def users(self, call: Call) -> Answer:
        """List the account's users, page by page."""
        application, _ = self._authorised(call, product="User and Group Management", permission=Permission.READ_USERS)
        mine = (user for user in self._world.users.values() if user.account_code == application.account_code)
        return _page(call, "users", items=[user_record(user) for user in mine])

    def _authorised(
        self, call: Call, *, product: str | None, permission: Permission | None
    ) -> tuple[ServiceApplication, str]:
        """Check token, product and role; give the application and the role that the service sees."""
        application = self._application_of(self._bearer(call))
        if product is not None and product not in application.products:
            _gateway(403, "app_forbidden", message=_NO_PRODUCT)
        role = role_under_trouble(self._script, call, application.role) if permission is not None else NO_ROLE
        if permission is not None and permission not in ROLES[role]:
            _gateway(403, "app_forbidden", message=_FORBIDDEN)
        return application, role

    def _bearer(self, call: Call) -> Token:
        scheme, _, value = call.headers.get("Authorization", "").partition(" ")
        token = self._world.tokens.find(value.strip()) if scheme == "Bearer" else None
        if token is not None and self._script.strikes_old(Trouble.REVOKED_KEYS, call.endpoint, epoch=token.epoch):
            token = None
        if not call.spend(self._world.unknown_caller if token is None else token.allowance):
            _gateway(429, "too_many_requests", message="Quota exceeded")  # [gap] ours: code and text
        if scheme != "Bearer" or not value:
            _gateway(401, "unauthorized", message="Unauthorized Request")
        if token is None:
            _gateway(401, "token_verification_failed", message="Token Verification Failed")
        late = self._script.strikes_old(Trouble.EXPIRED_BINDING, call.endpoint, epoch=token.epoch)
        if late or call.now >= token.expires_at:
            _gateway(401, "token_expired", message="Access Token Expired")
        return token

    def _application_of(self, token: Token) -> ServiceApplication:
        application = self._world.service_applications.get(token.client_id)
        if application is None:
            _gateway(401, "token_verification_failed", message="Token Verification Failed")
        return application

    def _account(self, application: ServiceApplication) -> Account:
        return self._world.accounts[application.account_code]


def _form(call: Call) -> dict[str, str]:
    kind = call.headers.get("Content-Type", "").partition(";")[0].strip().casefold()
    if kind != "application/x-www-form-urlencoded":
        _oauth(400, "invalid_request", description="The body must be a form")
    try:
        fields = parse_qs(call.body.decode(), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        _oauth(400, "invalid_request", description="The body is not a readable form")
    return {name: values[-1] for name, values in fields.items()}


def _page(call: Call, name: str, *, items: list[dict[str, object]]) -> Answer:
    """Cut one page. [gap] ours: the inside of `meta` and of the token."""
    try:
        size = int(call.query.get("pageSize", _LARGEST_PAGE))
        start = int(call.query.get("pageToken", "0"))
    except ValueError:
        refuse(400, "err_validation_invalid", message="pageSize and pageToken must be numbers")
    if not 1 <= size <= _LARGEST_PAGE or start < 0:
        refuse(
            400,
            "err_validation_invalid",
            message="pageSize must lie between 1 and 100",
            field_name="pageSize",
        )
    end = start + size
    pagination: dict[str, object] = {"pageSize": size, "totalCount": len(items)}
    if end < len(items):
        pagination["next"] = str(end)
    return Answer(body={name: items[start:end], "meta": {"status": 200, "pagination": pagination}})


def _oauth(status: int, error: str, *, description: str) -> NoReturn:
    raise Refusal(Answer(status=status, body={"error": error, "error_description": description}))


def _gateway(status: int, code: str, *, message: str) -> NoReturn:
    raise Refusal(gateway_failure(status, code, message=message))
