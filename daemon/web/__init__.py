"""The HTTP surface: health, control, sites, binds, audit, metrics and their description.

`daemon.app` builds a `daemon.web.server.WebServer`; everything else here is its parts.
"""
