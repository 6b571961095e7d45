"""Call records, made of what the proxy saw."""
