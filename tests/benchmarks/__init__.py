"""How fast it is, and what that costs."""
