"""LangGraph: one turn of a two-node loop with its in-memory checkpointer.

Variants: nothing for its best state, `default` for the state of its examples.
"""

from langgraph.checkpoint.memory import InMemorySaver
from langgraph_loop import DEFAULT, Lean, converse

from benchkit.script import emit, options


def main() -> None:
    """Measure after a short conversation that warms everything up."""
    given = options()
    state = DEFAULT if given.variant == "default" else Lean
    turns = given.scaled(1000)
    converse(state, 20, given.size_bytes, InMemorySaver())
    emit(turn_us=1e6 * converse(state, turns, given.size_bytes, InMemorySaver()).cpu_s / turns)


main()
