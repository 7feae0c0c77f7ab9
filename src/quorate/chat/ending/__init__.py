"""When a run ends: what a condition is, and those that come with Quorate."""
