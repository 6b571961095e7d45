"""Configuration in and out of files."""
