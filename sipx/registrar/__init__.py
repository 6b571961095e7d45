"""REGISTER, RFC 3261 section 10: where the users of our domain are."""
