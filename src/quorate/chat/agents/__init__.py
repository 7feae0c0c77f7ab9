"""The agents that come with Quorate."""
