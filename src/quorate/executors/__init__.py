"""Running code that agents write, by how well it is kept apart."""
