"""Where configuration, registrations and call records are kept; the only room with SQL."""
