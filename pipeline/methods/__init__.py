"""One file per method: one idea of a paper, or one baseline."""
