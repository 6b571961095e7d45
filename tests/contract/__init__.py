"""Contracts: what every implementation of an interface keeps."""
