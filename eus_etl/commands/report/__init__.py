"""One HTML page about a study, to be opened in a browser: no server, no request."""
