"""`make references`: writes the reference pages anew, from the program as it is."""

from __future__ import annotations

import sys

from tests.reference.pages import PAGES

if __name__ == "__main__":
    for path, text in PAGES.items():
        path.parent.mkdir(exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.write_text(text(), encoding="utf-8")
        fresh.replace(path)
        sys.stdout.write(f"{path}\n")
