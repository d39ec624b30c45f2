"""From long metric tables to claim verdicts, figures and one self-contained page."""
