"""The state of a team of 1,000 messages, written for AutoGen, through Quorate's view of AutoGen."""

from benchkit.through import through_the_view

through_the_view("autogen_state.py")
