"""One file per kind of figure; a study names the ones it shows."""
