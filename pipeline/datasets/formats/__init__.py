"""Readers of file formats that several datasets share, or that are long enough for a file of their own."""
