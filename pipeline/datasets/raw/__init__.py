"""Official downloads: what they are, getting them, and unpacking them."""
