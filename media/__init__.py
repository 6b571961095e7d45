"""An IP PBX: the rooms that carry sound."""
