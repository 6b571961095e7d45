"""Where configuration is kept; the only room with SQL."""
