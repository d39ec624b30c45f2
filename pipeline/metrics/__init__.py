"""Metrics as pure functions; catalogue.py declares the name, range and direction of each."""
