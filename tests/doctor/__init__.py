"""The doctor, before one fault at a time."""
