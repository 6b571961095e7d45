"""A first node that works without being configured."""
