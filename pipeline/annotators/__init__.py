"""Annotators: networks that learn from a few human masks to draw the others."""
