"""The proxy core: the chain of steps, forking and Record-Route state."""
