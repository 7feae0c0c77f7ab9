"""A coder writes a program, and its partner runs it, once you have read it: `python examples/coding.py`.

On the embedded model, without a key or network; MODEL=openai:gpt-5 takes another. The small one likes to guess what
its program prints, and is wrong: what counts is what the program prints. Code that failed goes back to the coder.

The code runs as you, with your files and your network (`min_isolation="process"` says that this is meant), so nothing
is run that nobody approved. Where nobody is asked at once, the run waits: see approval.py.
"""

import asyncio
import os
import sys
from collections.abc import Sequence

from quorate import (
    AssistantAgent,
    CodeExecutorAgent,
    Console,
    FunctionalTermination,
    MaxMessageTermination,
    Question,
    RoundRobinGroupChat,
)
from quorate.chat.messages import BaseMessage
from quorate.executors.local import LocalCommandLineCodeExecutor

TASK = "Write Python code that prints the sum of the numbers from 1 to 100."


def it_ran(new: Sequence[BaseMessage]) -> bool:
    """Whether the runner ran code that did not fail."""
    return any(message.metadata.get("exit_code") == "0" for message in new)


def team(model: str = "embedded") -> RoundRobinGroupChat:
    """Return the pair: they take turns until a program has run."""
    coder = AssistantAgent(
        "coder", model, max_tokens=120, temperature=0, seed=7,
        system_message="You write short Python programs that print their result. Answer with one ```python block.",
    )  # fmt: skip
    runner = CodeExecutorAgent(
        "runner", LocalCommandLineCodeExecutor(timeout_s=10), min_isolation="process", approval=True, sources=["coder"]
    )
    done = FunctionalTermination(it_ran) | MaxMessageTermination(7)
    return RoundRobinGroupChat([coder, runner], termination_condition=done)


pair = team(os.environ.get("MODEL", "embedded"))


def decide(question: Question) -> bool:
    """Ask in the terminal."""
    return input(f"{question.text}\nyes or no: ").strip() == "yes"


async def main() -> None:
    """Have a program written and run, if you approve."""
    await Console(pair.run_stream(task=" ".join(sys.argv[1:]) or TASK, answer=decide))


if __name__ == "__main__":
    asyncio.run(main())
