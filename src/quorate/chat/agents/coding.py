"""What running code comes to, as the journal has it and as models and people read it."""

from __future__ import annotations

import json
from typing import Any

from quorate.errors import ModelError
from quorate.executors.code import CodeResult
from quorate.models.blocks import Said
from quorate.models.extract import extract_objects
from quorate.runs.entries import Payload

RUN_CODE = "run_code"
"""The tool that runs code: its calls are steps like those of every tool."""

DECISION = json.dumps(
    {
        "title": "RetryDecision",
        "type": "object",
        "properties": {"reason": {"type": "string"}, "retry": {"type": "boolean"}},
        "required": ["reason", "retry"],
        "additionalProperties": False,
    },
    separators=(",", ":"),
)
"""What a model answers that is asked whether to try again."""


def result_of(payload: Payload) -> CodeResult:
    """Return what the call of `run_code` came to: what it returned, or why there is nothing."""
    try:
        found: Any = json.loads(payload["content"])
        return CodeResult(int(found["exit_code"]), str(found["output"]))
    except (ValueError, TypeError, KeyError):
        return CodeResult(1 if payload.get("error") else 0, str(payload["content"]))


def told_of(result: CodeResult) -> str:
    """Return what running code came to, in words."""
    if not result.output.strip():
        return f"The code printed nothing. Its exit code is {result.exit_code}."
    if result.exit_code:
        return f"The code failed: its exit code is {result.exit_code}. It printed:\n{result.output}"
    return result.output


def told_in(payload: Payload) -> str:
    """Return what the call of `run_code` came to, in words: of one that was refused or broke nothing was printed."""
    if payload.get("error"):
        return f"The code was not run, or not to its end: {payload['content']}"
    return told_of(result_of(payload))


def ran_block(payload: Payload, ref: str) -> Said:
    """Return what running code came to, as the model reads it that wrote the code."""
    return Said(told_in(payload), "executor", "tool", ref)


def read_decision(text: str) -> tuple[bool, str]:
    """Return whether a model wants to try again, and why; one that cannot be read is a yes."""
    try:
        found = extract_objects(text)
    except ModelError:
        return True, ""
    said = found[-1]
    return said.get("retry") is not False, str(said.get("reason", ""))
