"""What the administrator is told to do about each fault of this server, the network and the service, by its code.

`states.faults` reads it. Where a fault waits for a person it is their turn, and the sentence is an order; where one
heals by itself, the sentence says what to look at if it lasts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

REMEDIES: Final[Mapping[str, str]] = {
    # The network between this server and the service.
    "name-not-resolved": (
        "Check the DNS servers of this host and that the name is spelled right ([binding] service_url; for the "
        "Microsoft side [account] and [directory])."
    ),
    "unreachable": "Open outbound HTTPS (443) from this host to the service, or set the proxy in [connection].",
    "connection-lost": "The connection was cut while it was used: look for a firewall or proxy that closes it.",
    "timed-out": (
        "The service or something on the way did not answer in time. Check the network path; it is tried again."
    ),
    "tls-failed": "The TLS handshake broke. Check that nothing between here and the service speaks an old TLS version.",
    "certificate-untrusted": (
        "Find out who issued the certificate. If a TLS-inspecting firewall did, put its CA into [connection] ca_file."
    ),
    "proxy-name-not-resolved": "Correct [connection] proxy_host, or the DNS of this host.",
    "proxy-unreachable": "Check [connection] proxy_host and proxy_port, and that the proxy is running.",
    "proxy-setting-unusable": (
        "Mend the variable that the detail names in the daemon's environment and restart, or set the proxy "
        "in [connection]."
    ),
    "proxy-authentication": (
        "Correct [connection] proxy_username and proxy_password, with proxy_requires_authentication = yes; write "
        "the name in the form that the proxy expects (DOMAIN\\user, user@domain)."
    ),
    "proxy-refused": (
        "The proxy does not allow this destination: ask its administrator to allow CONNECT to the service."
    ),
    # The service.
    "throttled": "No action: the service asked us to slow down; the attempt is repeated after the time that it named.",
    "service-error": (
        "The service failed on its side. It is tried again; look at the service's status page if it lasts."
    ),
    "answer-malformed": (
        "The answer was not the service's: look for a captive portal or proxy that answers instead of it."
    ),
    "answer-too-large": (
        "The answer was far larger than any answer of the service: look for something that answers instead of it."
    ),
    "clock-skewed": "Set the clock of this host (for example with chrony or systemd-timesyncd), then rebind.",
    "service-address-untrusted": (
        "Discovery named a host outside [binding] trusted_suffixes. Do not add it before you know whose it is."
    ),
    "request-refused": "The service did not accept the request. Read the detail, correct what it names, then rebind.",
    # Who signs in, and what may be done.
    "address-unknown": "Check [binding] email: its domain must belong to a Mimecast account.",
    "wrong-region": (
        "The account is hosted in another region: remove [binding] service_url, or name the right host there."
    ),
    "authentication-type-refused": "Set [binding] authentication_type to one that the account allows for this user.",
    "credentials-refused": (
        "Check the e-mail address, the password and [binding] authentication_type, correct them, then rebind."
    ),
    "account-locked": "Unlock the user in the Mimecast Administration Console, then rebind.",
    "two-step-required": "Give this user an authentication profile with 2-step authentication off, then rebind.",
    "password-expired": "Set a new password for this user, put it into the configuration, then rebind.",
    "application-refused": "Check application_id and application_key (or client_id and client_secret) in [binding].",
    "permission-missing": (
        'Give this user the role "Synchronization Engine Administrator", or the application a role that '
        "may read the account, then rebind."
    ),
    "binding-expired": (
        "Rebind. To stay bound, configure the password by reference or use an authentication profile "
        "that never expires."
    ),
    "keys-refused": "The service no longer accepts this site's keys: they were revoked or the user changed. Rebind.",
    # This server.
    "credentials-missing": (
        "Put the sign-in into [binding] (the password by reference), or give it once with the bind request."
    ),
    "secret-unreadable": (
        "Make the secret that the detail names readable for the daemon's user; it is read again at every attempt."
    ),
    "ca-file-unreadable": (
        "Correct [connection] ca_file, or make that file a readable PEM bundle; it is read again at every attempt."
    ),
    "keys-not-stored": "Check free space and the permissions of the database and the vault's key file.",
    "unexpected": (
        "This is a defect in sitebind. The log holds the traceback under the request id: report it, then rebind."
    ),
}
