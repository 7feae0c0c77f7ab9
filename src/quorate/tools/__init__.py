"""Tools: typed functions that models may call."""
