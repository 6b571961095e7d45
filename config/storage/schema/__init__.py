"""The tables, as numbered SQL files."""
