"""A person approves what an agent wants to do, before it is done: `python examples/approval.py`.

Nothing is paid that nobody approved, and an approval holds for this very call only: look at whom the small embedded
model wants to pay. Where nobody is asked at once, the run ends `waiting` and uses nothing until somebody answers:

    quorate run approval:payments "Please refund 25 dollars to Ann." </dev/null
    quorate questions
    quorate answer QUESTION yes
    quorate resume RUN --app approval:payments
"""

import asyncio
import os
import sys

from quorate import (
    AssistantAgent,
    Console,
    Question,
    ResultTermination,
    RoundRobinGroupChat,
    TextMessageTermination,
    tool,
)

TASK = "Please refund 25 dollars to Ann."


@tool(approval=True, final=True)
def refund(customer: str, dollars: int) -> str:
    """Pay money back to a customer."""
    return f"{dollars} dollars were paid back to {customer}."


def team(model: str = "embedded") -> RoundRobinGroupChat:
    """Return a clerk who may refund, if somebody approves."""
    clerk = AssistantAgent(
        "clerk", model, tools=[refund], system_message="You pay money back to customers. Use the tool.",
        max_tool_iterations=1, max_tokens=60, temperature=0, seed=7,
    )  # fmt: skip
    paid_or_told_why_not = ResultTermination(refund) | TextMessageTermination("clerk")
    return RoundRobinGroupChat([clerk], termination_condition=paid_or_told_why_not)


payments = team(os.environ.get("MODEL", "embedded"))


def decide(question: Question) -> bool:
    """Ask in the terminal."""
    return input(f"{question.text}\nDo it? yes or no: ").strip() == "yes"


async def main() -> None:
    """Refund, if you approve."""
    await Console(payments.run_stream(task=" ".join(sys.argv[1:]) or TASK, answer=decide))


if __name__ == "__main__":
    asyncio.run(main())
