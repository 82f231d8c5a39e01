"""Every refusal of a directory server, sent by a server and seen by an administrator: fault, words and remedy."""

from __future__ import annotations

import pytest

from daemon.ports import DirectoryAccess, ProviderFault, Secret
from daemon.providers.ldap_errors import ROWS, SIGN_IN_ROWS, Row
from states import Fault
from tests.canaries.hunt import canary, hunt
from tests.canaries.objects import remembering, reprs
from tests.directory.certificates import Authority
from tests.directory.conftest import Adapters
from tests.directory.scripted import BASE_DN, Reply, Scripted, serving, user

CANARY = canary("the password", plain=True)
PASSWORD = CANARY.text
TEXT = "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data {}, v1db1"


def access_to(script: Scripted, **changes: object) -> DirectoryAccess:
    usual: dict[str, object] = {
        "platform": "active-directory",
        "server": f"127.0.0.1:{script.port}",
        "security": "none",
        "user": "svc@corp.test",
        "password": Secret(PASSWORD),
        "lookup": "ada@corp.test",
    }
    return DirectoryAccess(**(usual | changes))  # type: ignore[arg-type]


async def shown(script: Scripted, plain: Adapters, *, layer: str) -> tuple[Fault, str]:
    """What the layer's line says when the server is examined."""
    async with serving(script):
        examination = await plain.directory(access_to(script)).examine()
    last = examination.layers[-1]
    assert last.name == layer
    assert last.fault is not None
    assert last.fault.detail == last.detail
    assert PASSWORD not in last.detail
    return last.fault.fault, last.detail


def text_of(row: Row) -> str:
    """A diagnostic message as Active Directory would write it."""
    return TEXT.format(row.sub) if row.sub != "4dc" else "000004DC: LdapErr: DSID-0C090A5C, comment: bind first, data 0"


def named(row: Row) -> str:
    return f"{row.code}-{row.sub}" if row.sub else str(row.code)


@pytest.mark.parametrize("row", SIGN_IN_ROWS, ids=named)
async def test_every_refused_sign_in_shows_its_words_and_its_remedy(plain: Adapters, row: Row) -> None:
    fault, detail = await shown(Scripted(bind=(row.code, text_of(row))), plain, layer="directory sign-in")
    assert fault is row.fault
    assert row.words in detail
    assert f"LDAP code {row.code}" in detail
    assert (f"data {row.sub}" in detail) or not row.sub
    assert fault.remedy


@pytest.mark.parametrize("row", ROWS, ids=named)
async def test_every_refused_search_shows_its_words_and_its_remedy(plain: Adapters, row: Row) -> None:
    script = Scripted(search=lambda request: Reply(code=row.code, text=text_of(row)))
    fault, detail = await shown(script, plain, layer="base dn")
    assert fault is row.fault
    assert row.words in detail
    assert f'the search below "{BASE_DN}" at 127.0.0.1:{script.port}' in detail
    assert fault.remedy


REMEDIES = {
    "52e": "Check [directory] user",
    "525": "Check [directory] user",
    "530": "Unlock or enable the directory user",
    "531": "Unlock or enable the directory user",
    "532": "Set a new password for the directory user",
    "533": "Unlock or enable the directory user",
    "568": "Unlock or enable the directory user",
    "569": "Unlock or enable the directory user",
    "701": "Unlock or enable the directory user",
    "773": "Set a new password for the directory user",
    "775": "Unlock or enable the directory user",
    "80090346": "set [directory] security = ldaps or starttls",
}


def test_no_code_of_active_directory_is_without_its_remedy() -> None:
    told = {row.sub: row.fault.remedy for row in SIGN_IN_ROWS if row.sub}
    assert told.keys() == REMEDIES.keys()
    assert all(REMEDIES[sub] in remedy for sub, remedy in told.items())


@pytest.mark.parametrize(
    "code, text, fault, words",
    [
        (8, "00002028: LdapErr: DSID-0C090202, data 0", Fault.DIRECTORY_PROTECTION_REQUIRED, "LDAPServerIntegrity"),
        (13, "TLS confidentiality required", Fault.DIRECTORY_PROTECTION_REQUIRED, "encrypted connection"),
        (53, "SASL:[GSSAPI]: Sign or Seal are required.", Fault.DIRECTORY_PROTECTION_REQUIRED, "signing or sealing"),
        (53, "unauthenticated bind disallowed", Fault.DIRECTORY_SIGN_IN_REFUSED, "without a password"),
        (51, "", Fault.DIRECTORY_BUSY, "busy"),
        (52, "", Fault.DIRECTORY_BUSY, "starting or stopping"),
        (4711, "made up", Fault.REQUEST_REFUSED, "the server refused (LDAP code 4711; made up)"),
    ],
)
async def test_a_sign_in_may_also_be_refused_for_what_is_no_sign_in(
    plain: Adapters, code: int, text: str, fault: Fault, words: str
) -> None:
    found, detail = await shown(Scripted(bind=(code, text)), plain, layer="directory sign-in")
    assert found is fault
    assert words in detail


@pytest.mark.parametrize(
    "code, fault",
    [
        (1, Fault.DIRECTORY_TLS_UNAVAILABLE),
        (2, Fault.DIRECTORY_TLS_UNAVAILABLE),
        (51, Fault.DIRECTORY_BUSY),
        (52, Fault.DIRECTORY_TLS_UNAVAILABLE),
        (53, Fault.DIRECTORY_TLS_UNAVAILABLE),
    ],
)
async def test_a_refused_start_tls_means_that_there_is_no_certificate(plain: Adapters, code: int, fault: Fault) -> None:
    text = "00000000: LdapErr: DSID-0C090E17, comment: Error initializing SSL/TLS, data 0, v1db1"
    script = Scripted(start_tls=(code, text))
    async with serving(script):
        examination = await plain.directory(access_to(script, security="starttls")).examine()
    last = examination.layers[-1]
    assert last.name == "directory tls"
    assert last.fault is not None
    assert last.fault.fault is fault
    assert "Error initializing SSL/TLS" in last.detail
    assert script.binds == [], "nothing is sent in the clear"


async def test_an_echoed_password_is_not_shown(plain: Adapters) -> None:
    script = Scripted(bind=(49, f"no such pair: svc@corp.test/{PASSWORD}"))
    with remembering() as made:
        _, detail = await shown(script, plain, layer="directory sign-in")
    assert "no such pair: svc@corp.test/***" in detail
    assert hunt([CANARY], reprs(made)) == []


async def test_a_refused_sign_in_is_tried_once_by_whatever_asks(plain: Adapters) -> None:
    script = Scripted(bind=(49, TEXT.format("52e")))
    async with serving(script):
        access = access_to(script)
        for _ in range(3):
            directory = plain.directory(access)
            await directory.examine()
            for wanted in ("ada@corp.test", "grace@corp.test"):
                with pytest.raises(ProviderFault) as raised:
                    await directory.find(wanted)
                assert raised.value.fault is Fault.DIRECTORY_SIGN_IN_REFUSED
                assert raised.value.__context__ is None
    assert script.binds == ["svc@corp.test"]


async def test_a_locked_account_is_left_alone_and_an_expired_one_only_for_a_minute(plain: Adapters) -> None:
    for sub, minutes in (("775", "15 min"), ("533", "60 s"), ("773", "60 s")):
        script = Scripted(bind=(49, TEXT.format(sub)))
        async with serving(script):
            directory = plain.directory(access_to(script, password=Secret(sub)))
            await directory.examine()
            again = (await directory.examine()).layers[-1].detail
        assert f"not tried again for {minutes}" in again
        assert len(script.binds) == 1


async def test_a_busy_server_is_asked_again(plain: Adapters) -> None:
    script = Scripted(bind=(51, ""), search=lambda request: Reply([user("ada")]))
    async with serving(script):
        directory = plain.directory(access_to(script))
        await directory.examine()
        script.bind = (0, "")
        assert (await directory.examine()).layers[-1].fault is None


async def test_a_page_that_the_server_forgot_is_told_as_that(plain: Adapters) -> None:
    def search(request: object) -> Reply:
        return Reply([user("ada")], cookie=b"next") if len(script.searches) == 2 else Reply(code=12, text="data 0")

    script = Scripted()
    script.search = lambda request: Reply([("CN=g", {"objectClass": [b"group"], "objectGUID": [b"g" * 16]})])
    async with serving(script):
        directory = plain.directory(access_to(script))
        [group] = (await directory.find("CN=g,DC=corp,DC=test")).objects
        script.searches.clear()
        first = script.search
        script.search = lambda request: first(request) if request.scope == 0 else search(request)
        with pytest.raises(ProviderFault) as raised:
            [member async for member in directory.members(group)]
    assert raised.value.fault is Fault.DIRECTORY_BUSY
    assert "forgotten the page" in raised.value.detail
    assert "after 1 entries had come" in raised.value.detail


@pytest.mark.parametrize("security", ["ldaps", "starttls"])
async def test_the_password_goes_nowhere_when_the_certificate_is_refused(
    plain: Adapters, authority: Authority, security: str
) -> None:
    script = Scripted(certificate=authority.server("refused", names=("127.0.0.1",)))
    async with serving(script, tls=security == "ldaps"):
        examination = await plain.directory(access_to(script, security=security)).examine()
    last = examination.layers[-1]
    assert last.fault is not None
    assert last.fault.fault is Fault.CERTIFICATE_UNTRUSTED
    assert authority.name in last.detail
    assert script.binds == []
