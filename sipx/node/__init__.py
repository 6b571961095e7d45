"""A node: finds components, orders, starts and stops them, keeps the journal."""
