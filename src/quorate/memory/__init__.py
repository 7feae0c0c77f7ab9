"""What agents know beyond their conversation."""
