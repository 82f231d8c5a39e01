"""What somebody asks a directory for, and the questions to Graph that find it. Pure; called by `graph_directory.py`."""

from __future__ import annotations

import difflib
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from daemon.ports import DirectoryObject
from daemon.providers.graph import Ask, literal, segment
from daemon.providers.graph_answer import About
from daemon.providers.graph_objects import Collection
from daemon.providers.quoting import quoted

MOST_OF_A_NAME: Final = 25
"""Objects of one kind that may bear the same name; who looks for it needs its id beyond that."""
MOST_NEAR: Final = 5

_PREFIX: Final = "smtp:"
_CANDIDATES: Final = "20"
_STEM: Final = 3
_LIKENESS: Final = 0.6
_DISTINGUISHED: Final = re.compile(r"\s*(cn|ou|dc|uid|o)\s*=.+", re.IGNORECASE)
_GUID: Final = re.compile(r"\{?[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}\}?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A search, by what the text looks like."""

    text: str
    by: Literal["address", "id", "distinguished name", "name"]

    @property
    def domain(self) -> str:
        """The domain of an address."""
        return self.text.rpartition("@")[2].lower()

    @property
    def local_part(self) -> str:
        """What stands before the domain of an address; a name as it is."""
        return self.text.rpartition("@")[0] if self.by == "address" else self.text

    def ask(self, collection: Collection) -> Ask:
        """The question that finds it in one collection."""
        about = About(what=f'the look-up of "{quoted(self.text, longest=80)}"', needs=str(collection.needs))
        if self.by == "id":
            path = f"{collection.path}/{segment(self.text)}"
            return Ask(path=path, about=about, query={"$select": collection.select})
        query = {"$filter": self._filter(collection), "$select": collection.select, "$top": str(MOST_OF_A_NAME)}
        return Ask(path=collection.path, about=about, query=query, eventual=True)

    def near(self, collection: Collection) -> Ask:
        """The question for objects that are called something like it: by the beginning of name and address."""
        stem = literal(self.local_part[:_STEM])
        query = {
            "$filter": f"startswith(displayName,{stem}) or startswith(mail,{stem})",
            "$select": collection.select,
            "$top": _CANDIDATES,
        }
        about = About(what="the look-up of names that are nearly right", needs=str(collection.needs))
        return Ask(path=collection.path, about=about, query=query, eventual=True)

    def _filter(self, collection: Collection) -> str:
        if self.by == "name":
            return f"displayName eq {literal(self.text)} or mailNickname eq {literal(self.text)}"
        # The prefix tells primary addresses and aliases apart, and counts as it is written.
        proxies = (f"proxyAddresses/any(x:x eq {literal(prefix + self.text)})" for prefix in ("smtp:", "SMTP:"))
        fields = ("mail", "userPrincipalName") if collection.has_principal_name else ("mail",)
        return " or ".join((*proxies, *(f"{field} eq {literal(self.text)}" for field in fields)))


def read(text: str) -> Wanted:
    """Tell what `text` is: an address, an object's id, a distinguished name, or else a name."""
    plain = " ".join(text.split())
    if plain[:5].lower() == _PREFIX:
        plain = plain[5:]
    if _DISTINGUISHED.fullmatch(plain):
        return Wanted(plain, "distinguished name")
    if _GUID.fullmatch(plain):
        return Wanted(str(uuid.UUID(plain)), "id")
    local, at, domain = plain.rpartition("@")
    if at and local and domain and " " not in plain:
        return Wanted(plain.lower(), "address")
    return Wanted(plain, "name")


def nearest(wanted: Wanted, candidates: Iterable[DirectoryObject]) -> tuple[DirectoryObject, ...]:
    """The candidates that are called most like it, the likest first. A domain in common makes nobody alike."""
    sought = wanted.local_part.casefold()
    rated = [(_likeness(sought, one), one) for one in candidates]
    likely = sorted((pair for pair in rated if pair[0] >= _LIKENESS), key=lambda pair: -pair[0])
    return tuple(one for _, one in likely[:MOST_NEAR])


def _likeness(sought: str, one: DirectoryObject) -> float:
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(sought)
    best = 0.0
    for name in (one.display_name, one.primary_address.partition("@")[0]):
        matcher.set_seq1(name.casefold())
        # The quick looks are never less than the real one.
        if matcher.real_quick_ratio() > best and matcher.quick_ratio() > best:
            best = max(best, matcher.ratio())
    return best
