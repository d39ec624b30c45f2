"""One file per evaluation: from models, maps and data to rows of one long table."""
