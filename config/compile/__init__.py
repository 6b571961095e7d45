"""Makes the immutable snapshots that the node works from."""
