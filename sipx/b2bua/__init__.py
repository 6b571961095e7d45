"""Back-to-back user agents."""
