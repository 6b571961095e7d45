"""Tests of media.core: no sockets, no clocks."""
