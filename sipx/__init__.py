"""An IP PBX: the rooms that speak SIP."""
