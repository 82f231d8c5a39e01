"""What the administrator is told to do about each fault of the Microsoft side, by its code; see `states.remedies`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

MICROSOFT_REMEDIES: Final[Mapping[str, str]] = {
    # The Microsoft mailbox account.
    "autodiscover-failed": (
        "Publish autodiscover for the address's domain (autodiscover.DOMAIN over HTTPS), or name the server in "
        "[account] autodiscover_url."
    ),
    "autodiscover-untrusted": (
        "Autodiscover leads to a host outside the address's domain by a way that anybody can forge. If it is "
        "yours, add it to [account] trusted_hosts; otherwise look at the domain's DNS."
    ),
    "mailbox-sign-in-refused": (
        "Check [account] smtp_address and password: Exchange did not accept them. Correct them, then rebind."
    ),
    "mailbox-sign-in-omitted": (
        "Set [account] requires_authentication = yes, or remove the line: Microsoft 365 serves no mailbox without it."
    ),
    "mailbox-scheme-unsupported": (
        "Let Exchange offer Basic over HTTPS to EWS and autodiscover, or install sitebind[negotiate], which "
        "speaks NTLM and Negotiate."
    ),
    "mailbox-account-disabled": "Enable the mailbox account's user in Active Directory, then rebind.",
    "mailbox-password-expired": (
        "Set a new password for the mailbox account's user, put it into [account] password, then rebind."
    ),
    "mailbox-missing": (
        "Give the account a mailbox on this platform, or correct [account] smtp_address to the primary address "
        "of one that has it."
    ),
    "mailbox-identity-invalid": (
        "Correct [account] smtp_address and impersonation_probe: Exchange knows no user by that identity."
    ),
    "probe-mailbox-missing": (
        "Name another mailbox of this platform in [account] impersonation_probe; that one does not exist."
    ),
    "impersonation-denied": (
        "Grant the account the right: on premises the role ApplicationImpersonation, in Microsoft 365 the "
        "application permission by consent or RBAC for Applications. Permissions can take up to two hours."
    ),
    "ews-disabled": (
        "Exchange Web Services are switched off for this tenant, application or user (EWSEnabled, "
        "EwsAllowedAppIDs). Set [account] microsoft_365_protocol = graph; EWS ends there on 2027-04-01."
    ),
    "exchange-busy": (
        "No action: Exchange is busy, moving the mailbox or without its directory for a moment; it is tried again."
    ),
    # The Microsoft identity platform and Graph.
    "tenant-unknown": (
        "Correct [account] tenant_id: the tenant's GUID or one of its domains, in the cloud of host_address."
    ),
    "registration-unknown": (
        "Correct [account] client_id: the Application (client) ID of an app registration in this very tenant."
    ),
    "registration-blocked": (
        "Enable the application in the tenant (Enterprise applications), and let Conditional Access pass it."
    ),
    "client-secret-refused": "Put the secret's Value (not its Secret ID) into [account] client_secret, then rebind.",
    "client-secret-expired": (
        "Make a new client secret for the app registration, put it into [account] client_secret, then rebind."
    ),
    "wrong-national-cloud": (
        "Correct [account] host_address: the tenant lives in another Microsoft cloud than the one that was asked."
    ),
    "consent-missing": (
        "Give the app registration the application permissions that the detail names, with admin consent. "
        "Permissions can take up to two hours."
    ),
    # The directory on premises.
    "directory-unreachable": (
        "Check [directory] server, or the DNS records of the domain controllers, and that their port (636 for "
        "ldaps, 389 for starttls) is open from this host."
    ),
    "directory-sign-in-refused": (
        "Check [directory] user (user@domain or a distinguished name) and password, correct them, then rebind."
    ),
    "directory-account-blocked": (
        "Unlock or enable the directory user as the detail says (locked, disabled, expired, not at this hour)."
    ),
    "directory-password-expired": (
        "Set a new password for the directory user, put it into [directory] password, then rebind."
    ),
    "directory-protection-required": (
        "The server takes sign-ins only over a protected connection: set [directory] security = ldaps or starttls."
    ),
    "directory-tls-unavailable": (
        "The server offers no TLS: give the domain controller a certificate, or use its LDAPS port with ldaps."
    ),
    "directory-base-unknown": (
        "Correct [directory] base_dn: it must lie in the domain of this server (DC=corp,DC=example,DC=com)."
    ),
    "directory-access-denied": "Let the directory user read users and groups below [directory] base_dn.",
    "directory-busy": "No action: the directory server is busy, starting or stopping; it is tried again.",
    "directory-unsuitable": "What answers is no Active Directory: name a domain controller in [directory] server.",
    "directory-kerberos-refused": (
        "Set [directory] security = none, where Kerberos itself signs and seals everything, or sign_in = simple over "
        "ldaps or starttls."
    ),
    "kerberos-kdc-unreachable": (
        "Name the realm's KDCs (the domain controllers) in krb5.conf or in DNS (_kerberos._udp.REALM), and open "
        "port 88, UDP and TCP, from this host to them."
    ),
    "kerberos-server-unknown": (
        "Name the domain controller in [directory] server by its own full name, not by an address or an alias; "
        "`setspn -Q ldap/NAME` shows whether the domain knows that name, and only once."
    ),
    "kerberos-unavailable": (
        "Mend what the detail names: Kerberos needs sitebind[kerberos], a krb5.conf that can be read and, where set, "
        "the keytab; or set [directory] sign_in = simple."
    ),
    "directory-object-missing": (
        "The account's own address has to be found here: correct [account] smtp_address, or [directory] base_dn or "
        "domains."
    ),
    "directory-type-contradicted": (
        "Set [account] directory_type to what the detail says: on premises and hybrid microsoft-active-directory, "
        "Microsoft 365 alone microsoft-365-directory."
    ),
}
