"""Durable memory in SQLite: journal, audit chain and vault."""
