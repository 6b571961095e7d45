"""Serves phones their settings."""
