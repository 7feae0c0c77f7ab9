"""What the model of a planner writes, the same for every framework that has Magentic-One."""

import json

FIELDS = ("is_request_satisfied", "is_in_loop", "is_progress_being_made", "next_speaker", "instruction_or_question")


def plan(rounds: int, texts: list[str], members: tuple[str, ...]) -> list[str]:
    """Return facts, a plan, a progress ledger for each round, and the final answer."""
    return [
        "GIVEN: a harbour.",
        "- Both write about it.",
        *[ledger(members[n % len(members)], texts[n]) for n in range(rounds)],
        "It is written.",
    ]


def ledger(speaker: str, instruction: str) -> str:
    """Return a progress ledger that goes on."""
    answers = (False, False, True, speaker, instruction)
    return json.dumps({name: {"reason": "As planned.", "answer": a} for name, a in zip(FIELDS, answers, strict=True)})
