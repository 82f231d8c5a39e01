"""Which settings stand on which page."""

from __future__ import annotations

from collections import Counter

from daemon.config.options import OPTIONS
from daemon.web.ui.fields import GROUPS, label


def test_every_setting_of_a_site_stands_on_one_page() -> None:
    """But for its id: that would be another site."""
    shown = Counter(key for groups in GROUPS.values() for group in groups for key in group.keys)
    assert set(shown) == {option.key for option in OPTIONS if option.section != "daemon"} - {("site", "id")}
    assert set(shown.values()) == {1}


def test_fields_have_names_for_people() -> None:
    assert label("account", "smtp_address") == "SMTP Address"
    assert label("account", "use_exchange_impersonation") == "Use Exchange Impersonation"
    assert not [key for groups in GROUPS.values() for group in groups for key in group.keys if "_" in label(*key)]
