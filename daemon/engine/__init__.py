"""The engine: applies events, records them, then acts."""
