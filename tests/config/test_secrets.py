"""A secret is found anew at every use, and what cannot be had is said without showing anything."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

from daemon.config.model import (
    AccountSettings,
    BindingSettings,
    ConnectionSettings,
    DaemonSettings,
    SecretKind,
    SecretSource,
    SiteSettings,
)
from daemon.config.secrets import LARGEST_SECRET, SecretUnreadable, resolve, resolve_now, secret_sources, watched_files
from daemon.ports import Secret


def source(kind: SecretKind, where: object = "", *, text: str | None = None) -> SecretSource:
    return SecretSource(kind=kind, where=str(where), text=None if text is None else Secret(text))


@pytest.mark.parametrize(
    "stored, found",
    [("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"), ("s3cret", "s3cret"), (" s3 ü ", " s3 ü "), ("a\r", None),
     ("a\n\n", None), ("\n", None), ("", None), ("a\nb", None), ("a\0b", None), ("s3cret" * LARGEST_SECRET, None)],
)  # fmt: skip
async def test_a_file_gives_one_line_without_its_line_end(stored: str, found: str | None, *, tmp_path: Path) -> None:
    """Exactly one line end is taken off; what is empty, longer than a line or too large is refused."""
    path = tmp_path / "secret"
    path.write_bytes(stored.encode())
    if found is not None:
        assert await resolve(source("file", path)) == Secret(found)
        return
    with pytest.raises(SecretUnreadable, match=f"the secret file:{path} ") as refused:
        await resolve(source("file", path))
    assert "s3cret" not in str(refused.value)


async def test_a_rotated_file_is_read_again(tmp_path: Path) -> None:
    """Nothing is kept from one attempt to the next."""
    path = tmp_path / "secret"
    for text in ("old", "new"):
        path.write_text(text)
        assert await resolve(source("file", path)) == Secret(text)


def test_what_is_not_text_is_refused_without_a_trace_of_it(tmp_path: Path) -> None:
    """Not even in the exception's context."""
    path = tmp_path / "secret"
    path.write_bytes(b"hunter2\xff")
    with pytest.raises(SecretUnreadable, match=r"is not UTF-8 text; write .* anew") as refused:
        resolve_now(source("file", path))
    assert refused.value.__context__ is None


def test_a_missing_file_is_named_with_a_remedy(tmp_path: Path) -> None:
    """The path, the reason, the next step."""
    with pytest.raises(
        SecretUnreadable, match=r"/gone cannot be read: there is no such file; check .*/gone and who may"
    ):
        resolve_now(source("file", tmp_path / "gone"))


async def test_the_environment_is_asked_when_the_secret_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set, then unset."""
    monkeypatch.setenv("SITE_PASSWORD", "s3cret\n")
    assert await resolve(source("env", "SITE_PASSWORD")) == Secret("s3cret")
    monkeypatch.delenv("SITE_PASSWORD")
    with pytest.raises(SecretUnreadable, match="env:SITE_PASSWORD is not in the environment; set SITE_PASSWORD"):
        await resolve(source("env", "SITE_PASSWORD"))


async def test_a_systemd_credential_is_a_file_in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which systemd names in the environment."""
    with pytest.raises(SecretUnreadable, match="LoadCredential=token:PATH"):
        await resolve(source("credential", "token"))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "token").write_text("s3cret")
    assert await resolve(source("credential", "token")) == Secret("s3cret")


@pytest.mark.parametrize("kind", ["literal", "plain"])
async def test_a_secret_in_the_file_is_itself(kind: SecretKind) -> None:
    """And an empty one is refused."""
    assert await resolve(source(kind, text="s3cret")) == Secret("s3cret")
    with pytest.raises(SecretUnreadable, match="is empty"):
        await resolve(source(kind))


async def test_a_keyring_is_asked_for_service_and_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last slash parts them; no entry and a failing back end are told apart."""
    answers: dict[tuple[str, str], str | Exception] = {
        ("a/b", "u@x"): "s3cret", ("locked", "u"): RuntimeError("s3cret inside"),
    }  # fmt: skip

    def get_password(service: str, user: str) -> str | None:
        answer = answers.get((service, user))
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setitem(sys.modules, "keyring", types.SimpleNamespace(get_password=get_password))
    assert await resolve(source("keyring", "a/b/u@x")) == Secret("s3cret")
    with pytest.raises(SecretUnreadable, match="store it with: keyring set none u"):
        await resolve(source("keyring", "none/u"))
    with pytest.raises(SecretUnreadable, match="answered RuntimeError; unlock") as refused:
        await resolve(source("keyring", "locked/u"))
    assert "s3cret" not in str(refused.value)


def test_a_missing_keyring_library_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an optional extra."""
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(SecretUnreadable, match=r'pip install "sitebind\[keyring\]"'):
        resolve_now(source("keyring", "a/b"))


def test_the_secrets_of_settings_and_their_files_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the table's order; the watcher needs the files, with the CA file."""
    mailbox, key = source("file", tmp_path / "mailbox"), source("credential", "key")
    site = SiteSettings(
        account=AccountSettings(password=mailbox),
        binding=BindingSettings(application_key=key, password=source("env", "P")),
        connection=ConnectionSettings(ca_file=tmp_path / "ca.pem"),
    )
    daemon = DaemonSettings(vault_key=source("file", tmp_path / "vault"))
    assert list(secret_sources(site)) == [
        ("account", "password", mailbox),
        ("binding", "password", source("env", "P")),
        ("binding", "application_key", key),
    ]
    assert [option for _, option, _ in secret_sources(daemon)] == ["vault_key"]
    assert watched_files(site) == {tmp_path / "mailbox", tmp_path / "ca.pem"}
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/credentials")
    assert watched_files(site) == {tmp_path / "mailbox", tmp_path / "ca.pem", Path("/credentials/key")}
    assert watched_files(daemon) == {tmp_path / "vault"}
