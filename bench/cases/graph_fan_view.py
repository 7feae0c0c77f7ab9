"""A graph that fans out to 98 and joins, written for AutoGen, through Quorate's view of AutoGen."""

from benchkit.through import through_the_view

through_the_view("autogen_graph_fan.py")
