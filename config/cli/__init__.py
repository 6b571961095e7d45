"""The sipx command, a client of the REST API."""
