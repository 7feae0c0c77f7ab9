"""What the benchmark scripts share. Standard library only: it runs in our environment and in the peers'."""
