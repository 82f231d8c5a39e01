"""The web page: what a person sees in a browser, rendered on the server over the same engine as the HTTP API."""
