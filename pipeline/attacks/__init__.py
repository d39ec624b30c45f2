"""One file per attack: from a network and images to images that it gets wrong, or whose explanation changes."""
