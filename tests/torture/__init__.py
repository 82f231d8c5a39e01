"""Proof under fire: each module does one kind of harm to a real daemon and counts what came of it.

The tests run every module in its bounded form; `make torture` runs the long form and writes its figures into
`docs/reliability.md`.
"""
