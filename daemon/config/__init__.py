"""Configuration: text to settings, secrets, watching, and what a change asks for."""
