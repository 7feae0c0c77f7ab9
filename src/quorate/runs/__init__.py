"""Runs: the journal, the step, limits, and how they end."""
