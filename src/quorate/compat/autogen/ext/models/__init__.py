"""Model clients, under the names of AutoGen's extensions."""
