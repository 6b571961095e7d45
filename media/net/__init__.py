"""Media ports, sessions, relays and the one clock."""
