"""Transports, flows, the transaction layer and the wire trace."""
