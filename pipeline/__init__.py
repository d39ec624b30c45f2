"""Clearbox: interpretable deep learning reproduced as one workflow. See docs/architecture.md for the plan of the house."""
