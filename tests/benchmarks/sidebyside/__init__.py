"""CPU per call and per registration of sipx, next to Kamailio's."""
