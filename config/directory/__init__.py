"""Users and groups from a directory server."""
