"""A team inside a team: an editor has a research team, and a writer sums up. `python examples/research.py`.

On the embedded model, without a key or network; MODEL=openai:gpt-5 takes another.
"""

import asyncio
import os
import sys

from quorate import AssistantAgent, Console, MaxMessageTermination, RoundRobinGroupChat, tool

TASK = "What do the notes say about the tides?"


@tool(effect="read")
def notes_on_the_moon() -> str:
    """Read the notes on the moon and the tides."""
    return "The moon makes the tides: it pulls the water on its side of the Earth more than on the other."


@tool(effect="read")
def notes_on_the_sun() -> str:
    """Read the notes on the sun and the tides."""
    return "The sun makes the tides higher when it stands in a line with the moon."


def team(model: str = "embedded") -> RoundRobinGroupChat:
    """Return the research team as a member of the team that writes: the writer hears its last word."""

    def researcher(name: str, using: object) -> AssistantAgent:
        return AssistantAgent(
            name, model, tools=[using], system_message="Use the tool to read the notes.",
            reflect_on_tool_use=False, max_tokens=60, temperature=0, seed=7,
        )  # fmt: skip

    research = RoundRobinGroupChat(
        [researcher("astronomer", notes_on_the_moon), researcher("sailor", notes_on_the_sun)], name="research",
        termination_condition=MaxMessageTermination(3),
        description="Looks things up.", share_all=True,
    )  # fmt: skip
    writer = AssistantAgent(
        "writer", model, system_message="Say in one or two sentences what was found.",
        max_tokens=80, temperature=0, seed=7,
    )  # fmt: skip
    return RoundRobinGroupChat([research, writer], termination_condition=MaxMessageTermination(4))


async def main() -> None:
    """Do one piece of research."""
    task = " ".join(sys.argv[1:]) or TASK
    await Console(team(os.environ.get("MODEL", "embedded")).run_stream(task=task))


if __name__ == "__main__":
    asyncio.run(main())
