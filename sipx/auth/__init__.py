"""Who sent a request: digest challenges, nonces, credentials against accounts."""
