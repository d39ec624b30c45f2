"""Toyworld: drawn pictures of which everything is known, and small trees of them in the layouts of real datasets."""
