"""SIP as pure data and machines: no sockets, no clocks, the standard library only."""
