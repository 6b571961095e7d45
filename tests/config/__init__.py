"""Tests of the rooms that say how a node is set up."""
