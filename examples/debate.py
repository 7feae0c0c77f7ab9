"""A bull and a bear argue, and a judge draws the synthesis: `python examples/debate.py "Shall we buy the bakery?"`.

On the embedded model, without a key or network; MODEL=openai:gpt-5 takes another. The result is data.
"""

import asyncio
import os
import sys

from quorate import AssistantAgent, Console, Debate

TASK = "Shall we buy the old bakery next door? It costs 90,000 dollars and earns 10,000 dollars a year."


def team(model: str = "embedded") -> Debate:
    """Return the debate: two sides, two rounds, a judge."""

    def side(name: str, view: str) -> AssistantAgent:
        system = f"You are {name}, an investor. You argue {view}, in two short sentences, with figures."
        return AssistantAgent(name, model, system_message=system, max_tokens=70, temperature=0, seed=7)

    judge = AssistantAgent(
        "judge",
        model,
        system_message="You weigh what the bull and the bear said.",
        max_tokens=160,
        temperature=0,
        seed=7,
    )
    return Debate([side("bull", "for buying"), side("bear", "against buying")], judge, rounds=2)


async def main() -> None:
    """Hold the debate, and print what it came to."""
    task = " ".join(sys.argv[1:]) or TASK
    result = await Console(team(os.environ.get("MODEL", "embedded")).run_stream(task=task))
    if result.value is not None:
        print(f"\nwinner: {result.value.winner or 'none'}\nsynthesis: {result.value.synthesis}")


if __name__ == "__main__":
    asyncio.run(main())
