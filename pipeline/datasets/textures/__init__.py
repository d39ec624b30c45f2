"""Textures to fill shapes and backgrounds with: bundled ones, and Describable Textures."""
