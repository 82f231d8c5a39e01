"""The pages of a site over an engine in memory: what they show, and what becomes of their forms."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from daemon.engine.config_views import (
    ConfigChanged,
    ConfigManaged,
    ConfigRejected,
    FieldFinding,
    MergeLine,
)
from daemon.engine.operations import Caller, ConfigWritten, Lookup, ReloadAnswer, SettingChange, SiteView
from daemon.ports import DirectoryObject, ProviderFault, Resolution, Secret
from states import Fault
from tests.page.browsing import Visitor
from tests.page.conftest import TOKEN, Visit
from tests.web.memory_engine import CONFIG, NOON, MemoryEngine

TABS = ("accounts", "connection", "site", "bind", "directory", "audit", "unbind")
EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{6007*6011}}"


class Markup(HTMLParser):
    """The elements of a page with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture
async def admin(visitor: Visitor) -> Visitor:
    await visitor.sign_in(TOKEN)
    return visitor


async def test_every_page_opens_and_names_the_site(admin: Visitor) -> None:
    for tab in TABS:
        seen = await admin.open(f"/sites/default/{tab}")
        assert seen.status == 200, tab
        assert "Server 1" in seen.words
        assert "no-store" in seen.headers["Cache-Control"]


async def test_a_site_that_is_not_there_is_a_page(admin: Visitor) -> None:
    for tab in TABS:
        seen = await admin.open(f"/sites/nobody/{tab}")
        assert (seen.status, "There is no site" in seen.words) == (404, True), tab


async def test_a_sites_address_leads_to_where_it_stands(visitor: Visitor) -> None:
    assert (await visitor.open("/sites/default")).path == "/sites/default/bind"
    assert (await visitor.open("/sites/default/doctor")).path == "/sites/default/connection"


async def test_settings_are_for_administrators(visitor: Visitor, engine: MemoryEngine) -> None:
    """Without a token on loopback the page may be read, and offers to sign in where settings would be."""
    for tab in ("accounts", "connection", "site", "bind", "directory"):
        seen = await visitor.open(f"/sites/default/{tab}")
        assert "a@b.c" not in seen.html, tab
        assert f"/sign-in?next=/sites/default/{tab}" in seen.html
    assert engine.access.journal.events() == []


async def test_who_looks_at_settings_is_recorded_and_live_parts_are_not(admin: Visitor, engine: MemoryEngine) -> None:
    await admin.open("/sites/default/accounts")
    await admin.open("/sites/default/accounts", headers={"HX-Request": "true"})
    assert engine.access.journal.events() == ["signed_in", "admin_used"]


async def test_a_form_changes_what_differs_and_nothing_else(admin: Visitor, engine: MemoryEngine) -> None:
    """An empty field takes the option out; an empty secret keeps it."""
    engine.config_written = ConfigWritten(
        etag='"2"',
        backup="config.ini.bak",
        reload=ReloadAnswer(
            outcome="applied",
            changes=(SettingChange(site="default", section="account", option="smtp_address", result="rebind"),),
        ),
    )
    await admin.open("/sites/default/accounts")
    seen = await admin.send(
        "/sites/default/accounts",
        **{
            "etag": '"1"',
            "was.account.smtp_address": "a@b.c",
            "account.smtp_address": " new@b.c ",
            "was.account.use_exchange_impersonation": "yes",
            "account.use_exchange_impersonation": "yes",
            "account.password": "",
        },
    )
    (site, caller, edit), *_ = engine.edits
    assert (site, edit.etag, caller.actor.split("@")[0]) == ("default", '"1"', "token:api_token")
    assert dict(edit.values) == {("account", "smtp_address"): "new@b.c"}
    assert edit.was["account", "smtp_address"] == "a@b.c"
    assert (dict(edit.secrets), dict(edit.references)) == ({}, {})
    assert (seen.status, seen.path.partition("?")[0]) == (200, "/sites/default/accounts")
    assert "SMTP Address: applied; the site binds again with it" in seen.words
    assert "config.ini.bak" in seen.words


async def test_a_secret_is_replaced_referred_to_or_cleared(admin: Visitor, engine: MemoryEngine) -> None:
    for fields, secret, reference in (
        ({"account.password": "hunter2"}, "hunter2", None),
        ({"account.password.reference": "env:MAILBOX"}, None, "env:MAILBOX"),
        ({"account.password.clear": "yes", "account.password": "ignored"}, None, None),
    ):
        await admin.open("/sites/default/accounts")
        await admin.send("/sites/default/accounts", etag='"1"', **fields)
        edit = engine.edits[-1][2]
        given = edit.secrets.get(("account", "password"), Secret("not named"))
        assert (given.reveal() if given is not None else None) == (secret if reference is None else "not named")
        assert edit.references.get(("account", "password")) == reference


async def test_nothing_changed_writes_nothing(admin: Visitor, engine: MemoryEngine) -> None:
    await admin.open("/sites/default/accounts")
    seen = await admin.send("/sites/default/accounts", etag='"1"')
    assert "Nothing was changed" in seen.words
    assert engine.edits == []


async def test_a_bind_that_a_change_begins_is_where_apply_leads(admin: Visitor, engine: MemoryEngine) -> None:
    report = await engine.rebind("default", caller=Caller(actor="x"), reason="changed")
    engine.config_written = ConfigWritten(
        etag='"2"', backup="b", reload=ReloadAnswer(outcome="applied"), bind_id=report.id
    )
    await admin.open("/sites/default/accounts")
    seen = await admin.send("/sites/default/accounts", etag='"1"', **{"account.smtp_address": "x@y.z"})
    assert seen.path.startswith("/sites/default/bind?note=")
    assert report.id in seen.words
    assert "Written and applied." in seen.words


async def test_findings_stand_at_their_fields_and_nothing_typed_is_lost(admin: Visitor, engine: MemoryEngine) -> None:
    engine.config_refusal = ConfigRejected((
        FieldFinding(section="account", option="smtp_address", line=3, severity="error", text="not an address"),
        FieldFinding(section="", option="", line=None, severity="error", text="the file as a whole"),
        FieldFinding(section="binding", option="email", line=None, severity="error", text="none either"),
    ))  # fmt: skip
    await admin.open("/sites/default/accounts")
    seen = await admin.send(
        "/sites/default/accounts",
        **{
            "etag": '"1"',
            "was.account.smtp_address": "a@b.c",
            "account.smtp_address": "typed",
            "account.password": "sEcReT",
        },
    )
    assert seen.status == 422
    assert 'href="#account.smtp_address">SMTP Address: not an address' in seen.html
    assert "[binding] email: none either" in seen.words
    assert "the file as a whole" in seen.words
    assert "type it once more" in seen.words
    assert 'value="typed"' in seen.html
    assert "sEcReT" not in seen.html


async def test_a_conflict_shows_both_and_can_be_sent_again(admin: Visitor, engine: MemoryEngine) -> None:
    theirs = replace(CONFIG, etag='"9"')
    line = MergeLine(
        section="account", option="smtp_address", was="a@b.c", theirs="t@b.c", yours="y@b.c", conflict=True
    )
    engine.config_refusal = ConfigChanged(theirs, (line,))
    await admin.open("/sites/default/accounts")
    seen = await admin.send(
        "/sites/default/accounts",
        **{"etag": '"1"', "was.account.smtp_address": "a@b.c", "account.smtp_address": "y@b.c"},
    )
    assert seen.status == 412
    assert "changed by both" in seen.words
    assert 'name="etag" value="&#34;9&#34;"' in seen.html
    assert 'value="y@b.c"' in seen.html


async def test_a_managed_file_cannot_be_written(admin: Visitor, engine: MemoryEngine) -> None:
    engine.config_refusal = ConfigManaged("config.ini is a link into a mounted ConfigMap; change it there.")
    await admin.open("/sites/default/accounts")
    seen = await admin.send("/sites/default/accounts", etag='"1"', **{"account.smtp_address": "y@b.c"})
    assert (seen.status, "mounted ConfigMap" in seen.words) == (409, True)


async def test_a_bind_with_a_typed_sign_in_uses_it(admin: Visitor, engine: MemoryEngine) -> None:
    await admin.open("/sites/default/bind")
    seen = await admin.send(
        "/sites/default/bind",
        email="me@b.c",
        password="pw",
        authentication_type="domain",
    )
    assert seen.path == "/sites/default/bind"
    assert "default-1" in seen.words
    one_time = engine.seen[-1][3]
    assert one_time is not None
    assert (one_time.email, one_time.password.reveal(), one_time.authentication_type) == ("me@b.c", "pw", "domain")
    assert '<meta http-equiv="refresh"' in seen.html  # for who has no JavaScript


@pytest.mark.parametrize(
    "fields, says",
    [
        ({"email": "me@b.c", "password": ""}, "Type the password"),
        ({"email": "", "password": "pw"}, "Type the e-mail address"),
        ({"email": "me", "password": "pw"}, "not an e-mail address"),
        ({"email": f"{'m' * 320}@b.c", "password": "pw"}, "not an e-mail address"),
        ({"email": "me@b.c", "password": "p" * 1025}, "1024 characters at most"),
    ],
)
async def test_half_a_sign_in_is_told_at_its_field(
    admin: Visitor, engine: MemoryEngine, fields: dict[str, str], says: str
) -> None:
    await admin.open("/sites/default/bind")
    seen = await admin.send("/sites/default/bind", **fields)
    assert (seen.status, says in seen.words) == (422, True)
    assert engine.seen == []


async def test_who_may_only_operate_binds_as_configured(visitor: Visitor, engine: MemoryEngine) -> None:
    """On loopback nobody needs a token for that; a typed sign-in needs one."""
    seen = await visitor.open("/sites/default/bind")
    assert 'name="password"' not in seen.html
    await visitor.send("/sites/default/bind")
    assert engine.seen[-1][3] is None
    seen = await visitor.send("/sites/default/bind", email="me@b.c", password="pw")
    assert seen.status == 401
    assert "nothing was changed" in seen.words


async def test_a_site_that_cannot_bind_says_why_in_place(engine: MemoryEngine, visit: Visit) -> None:
    engine.withdraw("default", "config.ini:3: no such option")
    visitor = await visit(engine)
    await visitor.open("/sites/default/bind")
    seen = await visitor.send("/sites/default/bind")
    assert (seen.status, "config.ini:3: no such option" in seen.words) == (409, True)


async def test_who_asked_for_a_bind_sees_what_its_retries_come_to(admin: Visitor, engine: MemoryEngine) -> None:
    await admin.open("/sites/default/bind")
    await admin.send("/sites/default/bind")
    await engine.fail("default", Fault.CREDENTIALS_REFUSED)
    await engine.rebind("default", caller=Caller(actor="x"), reason="retry")
    await engine.succeed("default")
    seen = await admin.open("/sites/default/bind")
    assert "✔ The bind succeeded." in seen.words
    assert '<h2 id="report-title">Bound</h2>' in seen.html


async def test_an_earlier_bind_is_named_so_and_leads_to_the_newest(admin: Visitor, engine: MemoryEngine) -> None:
    first = await engine.rebind("default", caller=Caller(actor="x"), reason="because")
    await engine.fail("default", Fault.CREDENTIALS_REFUSED)
    await engine.rebind("default", caller=Caller(actor="x"), reason="because")
    await engine.succeed("default")
    seen = await admin.open(f"/sites/default/bind?bind={first.id}")
    assert '<h2 id="report-title">An earlier bind</h2>' in seen.html
    assert "The newest bind, attempt 2, succeeded: show it" in seen.words


async def test_a_bind_that_was_ended_since_is_not_headed_bound(admin: Visitor, engine: MemoryEngine) -> None:
    await engine.rebind("default", caller=Caller(actor="x"), reason="because")
    await engine.succeed("default")
    await admin.open("/sites/default/unbind")
    await admin.send("/sites/default/unbind")
    await engine.unbound("default")
    seen = await admin.open("/sites/default/bind")
    assert '<h2 id="report-title">The last bind</h2>' in seen.html
    assert "Its binding is not held any more." in seen.words


async def test_unbinding_needs_the_scope_admin_and_says_what_it_does(admin: Visitor, engine: MemoryEngine) -> None:
    await engine.rebind("default", caller=Caller(actor="x"), reason="because")
    await engine.succeed("default")
    seen = await admin.open("/sites/default/unbind")
    assert "CXX1" in seen.words
    await admin.send("/sites/default/unbind", local_only="yes")
    assert engine.unbinds[-1][3] is True


async def test_a_run_of_the_doctor_is_kept_and_shown(visitor: Visitor, engine: MemoryEngine) -> None:
    await visitor.open("/sites/default/connection")
    await visitor.send("/sites/default/doctor")
    for _ in range(100):
        seen = await visitor.open("/sites/default/connection")
        if "Ended" in seen.words:
            break
    assert "a stranger signed" in seen.words
    assert "What to do: Ask." in seen.words
    assert engine.examined[-1][2] is False


class Hostile(MemoryEngine):
    """Every name and reason comes from somebody who means ill."""

    def site(self, site: str) -> SiteView:
        view = super().site(site)
        held = view.binding
        return replace(
            view,
            display_name=EVIL,
            server_name=EVIL,
            reason=EVIL,
            company=EVIL,
            region=EVIL,
            problems=tuple(replace(problem, text=EVIL, remedy=EVIL) for problem in view.problems),
            binding=None if held is None else replace(held, company=EVIL, account_code=EVIL),
        )

    async def lookup(self, site: str, lookup: Lookup) -> Resolution:
        """A directory full of such names, or one that refuses with them."""
        if lookup.fresh:
            raise ProviderFault(Fault.UNREACHABLE, EVIL)
        one = DirectoryObject(
            kind="group",
            id=EVIL,
            display_name=EVIL,
            primary_address=EVIL,
            addresses=(EVIL,),
            enabled=None,
            mail_enabled=True,
            source=EVIL,
        )
        return Resolution(
            wanted=EVIL,
            objects=(one, one),
            members=(one,),
            near=(one,),
            reasons=(EVIL,),
            source=EVIL,
            asked_at=NOON,
            seconds=0.1,
        )


LOOKED_UP = ("/sites/default/directory?wanted=x&members=yes", "/sites/default/directory?wanted=x&fresh=yes")


async def test_no_foreign_text_becomes_markup(visit: Visit) -> None:
    """Names, reasons, remedies, what was asked for and what was typed."""
    engine = Hostile("default", "other")
    engine.token = Secret(TOKEN)
    await engine.rebind("default", caller=Caller(actor=EVIL), reason=EVIL)
    await engine.succeed("default")
    await engine.rebind("other", caller=Caller(actor="x"), reason="because")
    await engine.fail("other", Fault.CREDENTIALS_REFUSED)
    visitor = await visit(engine)
    await visitor.sign_in(TOKEN)
    addresses = [
        "/",
        f"/?q={EVIL}",
        f"/sign-in?next=/{EVIL}",
        *LOOKED_UP,
        *(f"/sites/{s}/{t}" for s in ("default", "other") for t in TABS),
    ]
    for address in addresses:
        seen = await visitor.open(address.replace("#", "%23"))
        assert seen.status == 200, address
        assert "36108077" not in seen.words, "a template was made of it"
        for tag, attributes in Markup(seen.html).found:
            assert tag != "img", address
            assert not [name for name in attributes if name.startswith("on") or name == "style"], (address, tag)
            assert tag != "script" or (attributes["src"] or "").startswith("/static/"), address
    await visitor.open("/sites/default/bind")
    seen = await visitor.send("/sites/default/bind", email=EVIL, password="x")
    assert "<script>alert" not in seen.html
