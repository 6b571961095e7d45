"""Requests that end here, as whoever answers them sees them."""
