"""What atheris throws bytes at: each target may raise what its parser documents, and nothing else.

A seed is a small honest input, made in code. `TARGETS` is what `tests.torture.parsers` runs, a process each.
"""

from __future__ import annotations
