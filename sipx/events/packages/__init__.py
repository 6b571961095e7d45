"""Event packages, one file each; a component provides each of them."""
