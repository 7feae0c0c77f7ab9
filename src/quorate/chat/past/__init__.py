"""What can be done with a run that was: replay it, branch off, compare, and see what its models were asked."""
