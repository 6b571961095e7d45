"""A call or a request that can be awaited."""
