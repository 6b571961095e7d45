"""Where a request goes: a pure function of snapshot, view and request."""
