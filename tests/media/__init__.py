"""Tests of the rooms that carry sound."""
