"""sitebind's daemon: configuration, engine, providers, store, web and command line around the pure core `states`."""

__version__ = "0.1.0"
