"""Every way in which a bind, a verification or a revocation can fail, and whose turn it is then.

Adapters classify at the edge by choosing a member; nobody upstream reads message text. A fault that
`heals_by_itself` is retried; any other waits for a human, because a retry loop locks accounts. What is then to be done
stands in `states.remedies` and `states.microsoft_remedies`; a fault without a remedy cannot be imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from states.microsoft_remedies import MICROSOFT_REMEDIES
from states.remedies import REMEDIES

_REMEDIES: Final[Mapping[str, str]] = {**REMEDIES, **MICROSOFT_REMEDIES}


class Fault(Enum):
    """A line each: `code`, and whether it heals by itself. Where it does not, it is a person's turn.

    `code` is stable: metrics, problems and the API use it; `remedy` is said to the administrator.
    """

    # The network between this server and the service.
    NAME_NOT_RESOLVED = ("name-not-resolved", True)
    UNREACHABLE = ("unreachable", True)
    CONNECTION_LOST = ("connection-lost", True)
    TIMED_OUT = ("timed-out", True)
    TLS_FAILED = ("tls-failed", True)
    CERTIFICATE_UNTRUSTED = ("certificate-untrusted", False)
    PROXY_NAME_NOT_RESOLVED = ("proxy-name-not-resolved", True)
    PROXY_UNREACHABLE = ("proxy-unreachable", True)
    PROXY_SETTING_UNUSABLE = ("proxy-setting-unusable", False)
    PROXY_AUTHENTICATION = ("proxy-authentication", False)
    PROXY_REFUSED = ("proxy-refused", False)
    # The service.
    THROTTLED = ("throttled", True)
    SERVICE_ERROR = ("service-error", True)
    ANSWER_MALFORMED = ("answer-malformed", True)
    ANSWER_TOO_LARGE = ("answer-too-large", True)
    CLOCK_SKEWED = ("clock-skewed", False)
    SERVICE_ADDRESS_UNTRUSTED = ("service-address-untrusted", False)
    REQUEST_REFUSED = ("request-refused", False)
    # Who signs in, and what may be done.
    ADDRESS_UNKNOWN = ("address-unknown", False)
    WRONG_REGION = ("wrong-region", False)
    AUTHENTICATION_TYPE_REFUSED = ("authentication-type-refused", False)
    CREDENTIALS_REFUSED = ("credentials-refused", False)
    ACCOUNT_LOCKED = ("account-locked", False)
    TWO_STEP_REQUIRED = ("two-step-required", False)
    PASSWORD_EXPIRED = ("password-expired", False)
    APPLICATION_REFUSED = ("application-refused", False)
    PERMISSION_MISSING = ("permission-missing", False)
    BINDING_EXPIRED = ("binding-expired", False)
    KEYS_REFUSED = ("keys-refused", False)
    # The Microsoft mailbox account.
    AUTODISCOVER_FAILED = ("autodiscover-failed", True)
    AUTODISCOVER_UNTRUSTED = ("autodiscover-untrusted", False)
    MAILBOX_SIGN_IN_REFUSED = ("mailbox-sign-in-refused", False)
    MAILBOX_SIGN_IN_OMITTED = ("mailbox-sign-in-omitted", False)
    MAILBOX_SCHEME_UNSUPPORTED = ("mailbox-scheme-unsupported", False)
    MAILBOX_ACCOUNT_DISABLED = ("mailbox-account-disabled", False)
    MAILBOX_PASSWORD_EXPIRED = ("mailbox-password-expired", False)
    MAILBOX_MISSING = ("mailbox-missing", False)
    MAILBOX_IDENTITY_INVALID = ("mailbox-identity-invalid", False)
    PROBE_MAILBOX_MISSING = ("probe-mailbox-missing", False)
    IMPERSONATION_DENIED = ("impersonation-denied", False)
    EWS_DISABLED = ("ews-disabled", False)
    EXCHANGE_BUSY = ("exchange-busy", True)
    # The Microsoft identity platform and Graph.
    TENANT_UNKNOWN = ("tenant-unknown", False)
    REGISTRATION_UNKNOWN = ("registration-unknown", False)
    REGISTRATION_BLOCKED = ("registration-blocked", False)
    CLIENT_SECRET_REFUSED = ("client-secret-refused", False)
    CLIENT_SECRET_EXPIRED = ("client-secret-expired", False)
    WRONG_NATIONAL_CLOUD = ("wrong-national-cloud", False)
    CONSENT_MISSING = ("consent-missing", False)
    # The directory on premises.
    DIRECTORY_UNREACHABLE = ("directory-unreachable", True)
    DIRECTORY_SIGN_IN_REFUSED = ("directory-sign-in-refused", False)
    DIRECTORY_ACCOUNT_BLOCKED = ("directory-account-blocked", False)
    DIRECTORY_PASSWORD_EXPIRED = ("directory-password-expired", False)
    DIRECTORY_PROTECTION_REQUIRED = ("directory-protection-required", False)
    DIRECTORY_TLS_UNAVAILABLE = ("directory-tls-unavailable", False)
    DIRECTORY_BASE_UNKNOWN = ("directory-base-unknown", False)
    DIRECTORY_ACCESS_DENIED = ("directory-access-denied", False)
    DIRECTORY_BUSY = ("directory-busy", True)
    DIRECTORY_UNSUITABLE = ("directory-unsuitable", False)
    DIRECTORY_KERBEROS_REFUSED = ("directory-kerberos-refused", False)
    KERBEROS_KDC_UNREACHABLE = ("kerberos-kdc-unreachable", True)
    KERBEROS_SERVER_UNKNOWN = ("kerberos-server-unknown", False)
    KERBEROS_UNAVAILABLE = ("kerberos-unavailable", False)
    DIRECTORY_OBJECT_MISSING = ("directory-object-missing", False)
    DIRECTORY_TYPE_CONTRADICTED = ("directory-type-contradicted", False)
    # This server.
    CREDENTIALS_MISSING = ("credentials-missing", False)
    SECRET_UNREADABLE = ("secret-unreadable", True)
    CA_FILE_UNREADABLE = ("ca-file-unreadable", True)
    KEYS_NOT_STORED = ("keys-not-stored", True)
    UNEXPECTED = ("unexpected", False)

    code: str
    heals_by_itself: bool
    remedy: str

    def __init__(self, code: str, heals_by_itself: bool) -> None:  # noqa: FBT001 - a table row
        self.code = code
        self.heals_by_itself = heals_by_itself
        self.remedy = _REMEDIES[code]

    @property
    def refuses_credentials(self) -> bool:
        """Whether the same credentials must not be tried again without a human."""
        return self in _REFUSES_CREDENTIALS


_REFUSES_CREDENTIALS = frozenset(
    {
        Fault.CREDENTIALS_REFUSED,
        Fault.ACCOUNT_LOCKED,
        Fault.TWO_STEP_REQUIRED,
        Fault.PASSWORD_EXPIRED,
        Fault.APPLICATION_REFUSED,
    }
)


def fault_named(code: str) -> Fault:
    """The fault with this code; UNEXPECTED for one that a newer version wrote."""
    return _BY_CODE.get(code, Fault.UNEXPECTED)


_BY_CODE = {fault.code: fault for fault in Fault}
