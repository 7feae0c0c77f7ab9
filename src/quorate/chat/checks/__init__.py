"""Looking at a team before it runs."""
