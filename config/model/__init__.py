"""What can be configured: frozen values and their validation."""
