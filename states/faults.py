"""Every way in which a bind, a verification or a revocation can fail, and whose turn it is then.

Adapters classify at the edge by choosing a member; nobody upstream reads message text. A fault that
`heals_by_itself` is retried; any other waits for a human, because a retry loop locks accounts.
"""

from __future__ import annotations

from enum import Enum


class Fault(Enum):
    """`code` is stable: metrics, problems and the API use it; `remedy` is said to the administrator."""

    # The network between this server and the service.
    NAME_NOT_RESOLVED = (
        "name-not-resolved",
        True,
        ("Check the DNS servers of this host and that the service's name is spelled right ([binding] service_url)."),
    )
    UNREACHABLE = (
        "unreachable",
        True,
        "Open outbound HTTPS (443) from this host to the service, or set the proxy in [connection].",
    )
    CONNECTION_LOST = (
        "connection-lost",
        True,
        "The connection was cut while it was used: look for a firewall or proxy that closes it.",
    )
    TIMED_OUT = (
        "timed-out",
        True,
        ("The service or something on the way did not answer in time. Check the network path; it is tried again."),
    )
    TLS_FAILED = (
        "tls-failed",
        True,
        "The TLS handshake broke. Check that nothing between here and the service speaks an old TLS version.",
    )
    CERTIFICATE_UNTRUSTED = (
        "certificate-untrusted",
        False,
        (
            "Find out who issued the certificate. If a TLS-inspecting firewall did, put its CA into "
            "[connection] ca_file."
        ),
    )
    PROXY_NAME_NOT_RESOLVED = (
        "proxy-name-not-resolved",
        True,
        "Correct [connection] proxy_host, or the DNS of this host.",
    )
    PROXY_UNREACHABLE = (
        "proxy-unreachable",
        True,
        "Check [connection] proxy_host and proxy_port, and that the proxy is running.",
    )
    PROXY_SETTING_UNUSABLE = (
        "proxy-setting-unusable",
        False,
        (
            "Mend the variable that the detail names in the daemon's environment and restart, or set the proxy "
            "in [connection]."
        ),
    )
    PROXY_AUTHENTICATION = (
        "proxy-authentication",
        False,
        (
            "Correct [connection] proxy_username and proxy_password, with proxy_requires_authentication = yes; write "
            "the name in the form that the proxy expects (DOMAIN\\user, user@domain)."
        ),
    )
    PROXY_REFUSED = (
        "proxy-refused",
        False,
        "The proxy does not allow this destination: ask its administrator to allow CONNECT to the service.",
    )
    # The service.
    THROTTLED = (
        "throttled",
        True,
        "No action: the service asked us to slow down; the attempt is repeated after the time that it named.",
    )
    SERVICE_ERROR = (
        "service-error",
        True,
        "The service failed on its side. It is tried again; look at the service's status page if it lasts.",
    )
    ANSWER_MALFORMED = (
        "answer-malformed",
        True,
        "The answer was not the service's: look for a captive portal or proxy that answers instead of it.",
    )
    ANSWER_TOO_LARGE = (
        "answer-too-large",
        True,
        ("The answer was far larger than any answer of the service: look for something that answers instead of it."),
    )
    CLOCK_SKEWED = (
        "clock-skewed",
        False,
        "Set the clock of this host (for example with chrony or systemd-timesyncd), then rebind.",
    )
    SERVICE_ADDRESS_UNTRUSTED = (
        "service-address-untrusted",
        False,
        ("Discovery named a host outside [binding] trusted_suffixes. Do not add it before you know whose it is."),
    )
    REQUEST_REFUSED = (
        "request-refused",
        False,
        "The service did not accept the request. Read the detail, correct what it names, then rebind.",
    )
    # Who signs in, and what may be done.
    ADDRESS_UNKNOWN = (
        "address-unknown",
        False,
        "Check [binding] email: its domain must belong to a Mimecast account.",
    )
    WRONG_REGION = (
        "wrong-region",
        False,
        ("The account is hosted in another region: remove [binding] service_url, or name the right host there."),
    )
    AUTHENTICATION_TYPE_REFUSED = (
        "authentication-type-refused",
        False,
        "Set [binding] authentication_type to one that the account allows for this user.",
    )
    CREDENTIALS_REFUSED = (
        "credentials-refused",
        False,
        ("Check the e-mail address, the password and [binding] authentication_type, correct them, then rebind."),
    )
    ACCOUNT_LOCKED = (
        "account-locked",
        False,
        "Unlock the user in the Mimecast Administration Console, then rebind.",
    )
    TWO_STEP_REQUIRED = (
        "two-step-required",
        False,
        "Give this user an authentication profile with 2-step authentication off, then rebind.",
    )
    PASSWORD_EXPIRED = (
        "password-expired",
        False,
        "Set a new password for this user, put it into the configuration, then rebind.",
    )
    APPLICATION_REFUSED = (
        "application-refused",
        False,
        "Check application_id and application_key (or client_id and client_secret) in [binding].",
    )
    PERMISSION_MISSING = (
        "permission-missing",
        False,
        (
            'Give this user the role "Synchronization Engine Administrator", or the application a role that '
            "may read the account, then rebind."
        ),
    )
    BINDING_EXPIRED = (
        "binding-expired",
        False,
        (
            "Rebind. To stay bound, configure the password by reference or use an authentication profile "
            "that never expires."
        ),
    )
    KEYS_REFUSED = (
        "keys-refused",
        False,
        "The service no longer accepts this site's keys: they were revoked or the user changed. Rebind.",
    )
    # This server.
    CREDENTIALS_MISSING = (
        "credentials-missing",
        False,
        "Put the sign-in into [binding] (the password by reference), or give it once with the bind request.",
    )
    SECRET_UNREADABLE = (
        "secret-unreadable",
        True,
        ("Make the secret that the detail names readable for the daemon's user; it is read again at every attempt."),
    )
    CA_FILE_UNREADABLE = (
        "ca-file-unreadable",
        True,
        "Correct [connection] ca_file, or make that file a readable PEM bundle; it is read again at every attempt.",
    )
    KEYS_NOT_STORED = (
        "keys-not-stored",
        True,
        "Check free space and the permissions of the database and the vault's key file.",
    )
    UNEXPECTED = (
        "unexpected",
        False,
        ("This is a defect in sitebind. The log holds the traceback under the request id: report it, then rebind."),
    )

    code: str
    heals_by_itself: bool
    remedy: str

    def __init__(self, code: str, heals_by_itself: bool, remedy: str) -> None:  # noqa: FBT001 - a table row
        self.code = code
        self.heals_by_itself = heals_by_itself
        self.remedy = remedy

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
