"""The vocabulary of all layers."""
