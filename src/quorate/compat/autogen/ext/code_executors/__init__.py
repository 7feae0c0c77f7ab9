"""Executors of code, under the names of AutoGen's extensions."""
