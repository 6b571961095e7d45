"""Sound as arrays and pure machines: no sockets, no clocks."""
