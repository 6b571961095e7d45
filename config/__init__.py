"""An IP PBX: the rooms that say how it is set up."""
