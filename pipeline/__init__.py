"""Clearbox: interpretable deep learning reproduced as one workflow. Plan: docs/architecture.md."""
