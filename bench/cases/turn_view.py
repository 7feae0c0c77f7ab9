"""One turn of two assistant agents in a round robin, written for AutoGen, through Quorate's view of AutoGen."""

from benchkit.through import through_the_view

through_the_view("autogen_turn_memory.py")
