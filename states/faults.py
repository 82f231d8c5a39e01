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
        (
            "Check the DNS servers of this host and that the name is spelled right ([binding] service_url; for the "
            "Microsoft side [account] and [directory])."
        ),
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
    # The Microsoft mailbox account.
    AUTODISCOVER_FAILED = (
        "autodiscover-failed",
        True,
        (
            "Publish autodiscover for the address's domain (autodiscover.DOMAIN over HTTPS), or name the server in "
            "[account] autodiscover_url."
        ),
    )
    AUTODISCOVER_UNTRUSTED = (
        "autodiscover-untrusted",
        False,
        (
            "Autodiscover leads to a host outside the address's domain by a way that anybody can forge. If it is "
            "yours, add it to [account] trusted_hosts; otherwise look at the domain's DNS."
        ),
    )
    MAILBOX_SIGN_IN_REFUSED = (
        "mailbox-sign-in-refused",
        False,
        "Check [account] smtp_address and password: Exchange did not accept them. Correct them, then rebind.",
    )
    MAILBOX_SCHEME_UNSUPPORTED = (
        "mailbox-scheme-unsupported",
        False,
        (
            "Let Exchange offer Basic over HTTPS to EWS and autodiscover, or install sitebind[negotiate], which "
            "speaks NTLM and Negotiate."
        ),
    )
    MAILBOX_ACCOUNT_DISABLED = (
        "mailbox-account-disabled",
        False,
        "Enable the mailbox account's user in Active Directory, then rebind.",
    )
    MAILBOX_PASSWORD_EXPIRED = (
        "mailbox-password-expired",
        False,
        "Set a new password for the mailbox account's user, put it into [account] password, then rebind.",
    )
    MAILBOX_MISSING = (
        "mailbox-missing",
        False,
        (
            "Give the account a mailbox on this platform, or correct [account] smtp_address to the primary address "
            "of one that has it."
        ),
    )
    MAILBOX_IDENTITY_INVALID = (
        "mailbox-identity-invalid",
        False,
        "Correct [account] smtp_address and impersonation_probe: Exchange knows no user by that identity.",
    )
    PROBE_MAILBOX_MISSING = (
        "probe-mailbox-missing",
        False,
        "Name another mailbox of this platform in [account] impersonation_probe; that one does not exist.",
    )
    IMPERSONATION_DENIED = (
        "impersonation-denied",
        False,
        (
            "Grant the account the right: on premises the role ApplicationImpersonation, in Microsoft 365 the "
            "application permission by consent or RBAC for Applications. Permissions can take up to two hours."
        ),
    )
    EWS_DISABLED = (
        "ews-disabled",
        False,
        (
            "Exchange Web Services are switched off for this tenant, application or user (EWSEnabled, "
            "EwsAllowedAppIDs). Set [account] microsoft_365_protocol = graph; EWS ends there on 2027-04-01."
        ),
    )
    EXCHANGE_BUSY = (
        "exchange-busy",
        True,
        "No action: Exchange is busy, moving the mailbox or without its directory for a moment; it is tried again.",
    )
    # The Microsoft identity platform and Graph.
    TENANT_UNKNOWN = (
        "tenant-unknown",
        False,
        "Correct [account] tenant_id: the tenant's GUID or one of its domains, in the cloud of host_address.",
    )
    REGISTRATION_UNKNOWN = (
        "registration-unknown",
        False,
        "Correct [account] client_id: the Application (client) ID of an app registration in this very tenant.",
    )
    REGISTRATION_BLOCKED = (
        "registration-blocked",
        False,
        "Enable the application in the tenant (Enterprise applications), and let Conditional Access pass it.",
    )
    CLIENT_SECRET_REFUSED = (
        "client-secret-refused",
        False,
        "Put the secret's Value (not its Secret ID) into [account] client_secret, then rebind.",
    )
    CLIENT_SECRET_EXPIRED = (
        "client-secret-expired",
        False,
        "Make a new client secret for the app registration, put it into [account] client_secret, then rebind.",
    )
    WRONG_NATIONAL_CLOUD = (
        "wrong-national-cloud",
        False,
        "Correct [account] host_address: the tenant lives in another Microsoft cloud than the one that was asked.",
    )
    CONSENT_MISSING = (
        "consent-missing",
        False,
        (
            "Give the app registration the application permissions that the detail names, with admin consent. "
            "Permissions can take up to two hours."
        ),
    )
    # The directory on premises.
    DIRECTORY_UNREACHABLE = (
        "directory-unreachable",
        True,
        (
            "Check [directory] server, or the DNS records of the domain controllers, and that their port (636 for "
            "ldaps, 389 for starttls) is open from this host."
        ),
    )
    DIRECTORY_SIGN_IN_REFUSED = (
        "directory-sign-in-refused",
        False,
        "Check [directory] user (user@domain or a distinguished name) and password, correct them, then rebind.",
    )
    DIRECTORY_ACCOUNT_BLOCKED = (
        "directory-account-blocked",
        False,
        "Unlock or enable the directory user as the detail says (locked, disabled, expired, not at this hour).",
    )
    DIRECTORY_PASSWORD_EXPIRED = (
        "directory-password-expired",
        False,
        "Set a new password for the directory user, put it into [directory] password, then rebind.",
    )
    DIRECTORY_PROTECTION_REQUIRED = (
        "directory-protection-required",
        False,
        ("The server takes sign-ins only over a protected connection: set [directory] security = ldaps or starttls."),
    )
    DIRECTORY_TLS_UNAVAILABLE = (
        "directory-tls-unavailable",
        False,
        "The server offers no TLS: give the domain controller a certificate, or use its LDAPS port with ldaps.",
    )
    DIRECTORY_BASE_UNKNOWN = (
        "directory-base-unknown",
        False,
        "Correct [directory] base_dn: it must lie in the domain of this server (DC=corp,DC=example,DC=com).",
    )
    DIRECTORY_ACCESS_DENIED = (
        "directory-access-denied",
        False,
        "Let the directory user read users and groups below [directory] base_dn.",
    )
    DIRECTORY_BUSY = (
        "directory-busy",
        True,
        "No action: the directory server is busy, starting or stopping; it is tried again.",
    )
    DIRECTORY_UNSUITABLE = (
        "directory-unsuitable",
        False,
        "What answers is no Active Directory: name a domain controller in [directory] server.",
    )
    DIRECTORY_OBJECT_MISSING = (
        "directory-object-missing",
        False,
        "The account's address is not in this directory: correct [account] smtp_address, base_dn or domains.",
    )
    DIRECTORY_TYPE_CONTRADICTED = (
        "directory-type-contradicted",
        False,
        (
            "Set [account] directory_type to what the detail says: on premises and hybrid microsoft-active-directory, "
            "Microsoft 365 alone microsoft-365-directory."
        ),
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
