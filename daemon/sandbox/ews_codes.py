"""The error codes that the simulated Exchange Web Services know: their texts, and where they are said.

The codes are those of Microsoft's public reference. [gap] ours: the texts, and the level of most of them.
"""

from __future__ import annotations

from typing import Final

BUSY: Final = "ErrorServerBusy"
_TEXTS: Final = {
    "ErrorImpersonateUserDenied": "The account does not have permission to impersonate the requested user.",
    "ErrorImpersonationDenied": "The account does not have permission to impersonate through this server.",
    "ErrorImpersonationFailed": "Exchange Web Services are not able to impersonate the user just now.",
    "ErrorInvalidExchangeImpersonationHeaderData": (
        "ExchangeImpersonation SOAP header must be present for this type of OAuth token, and must name one user."
    ),
    "ErrorInvalidUserPrincipalName": "The user principal name is not valid.",
    "ErrorInvalidUserSid": "The SID of the user is not valid.",
    "ErrorNonExistentMailbox": "The SMTP address has no mailbox associated with it.",
    "ErrorMissingEmailAddress": (
        "An account without a mailbox must name the primary SMTP address of the mailbox for any distinguished folder."
    ),
    "ErrorAccountDisabled": "The account is disabled.",
    "ErrorPasswordExpired": "The password of the account has expired.",
    "ErrorPasswordChangeRequired": "The password of the account has to be changed.",
    "ErrorAccessDenied": "Access is denied. Check credentials and try again.",
    "ErrorFolderNotFound": "The specified folder could not be found in the store.",
    "ErrorItemNotFound": "The specified object was not found in the store.",
    "ErrorInvalidIdMalformed": "Id is malformed.",
    "ErrorInvalidRequest": "The request is invalid.",
    "ErrorInvalidServerVersion": "The specified server version is invalid.",
    "ErrorSchemaValidation": "The request failed schema validation.",
    BUSY: "The server cannot service this request right now. Try again later.",
    "ErrorInternalServerTransientError": "An internal server error occurred. Try again later.",
    "ErrorADUnavailable": "Active Directory is unavailable. Try again later.",
    "ErrorADOperation": "An Active Directory operation did not succeed.",
    "ErrorMailboxMoveInProgress": "The mailbox is being moved. Try again later.",
    "ErrorMailboxStoreUnavailable": "The mailbox database is temporarily unavailable.",
    "ErrorMailboxFailover": "The mailbox database is being moved to another server.",
    "ErrorExceededConnectionCount": "The account has too many open connections.",
    "ErrorInternalServerError": "An internal server error occurred.",
}
_OF_AN_ITEM: Final = frozenset(
    {
        "ErrorNonExistentMailbox",
        "ErrorMissingEmailAddress",
        "ErrorAccessDenied",
        "ErrorFolderNotFound",
        "ErrorItemNotFound",
        "ErrorInternalServerTransientError",
        "ErrorMailboxMoveInProgress",
        "ErrorMailboxStoreUnavailable",
        "ErrorMailboxFailover",
        "ErrorInternalServerError",
    }
)


def message_of(code: str) -> str:
    """The text that goes with a code; a plain one for a code that only a test knows."""
    return _TEXTS.get(code, "The operation did not succeed.")


def is_of_an_item(code: str) -> bool:
    """Whether a code is said of one item, inside an answer that went well, where a test asks for it."""
    return code in _OF_AN_ITEM
