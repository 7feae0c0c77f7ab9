"""What AutoGen's planner asks, under AutoGen's names and in Quorate's words."""

from __future__ import annotations

from pydantic import BaseModel

from quorate.chat.ledgers import FACTS as ORCHESTRATOR_TASK_LEDGER_FACTS_PROMPT
from quorate.chat.ledgers import FINAL as ORCHESTRATOR_FINAL_ANSWER_PROMPT
from quorate.chat.ledgers import LEDGER as ORCHESTRATOR_TASK_LEDGER_FULL_PROMPT
from quorate.chat.ledgers import NEW_FACTS as ORCHESTRATOR_TASK_LEDGER_FACTS_UPDATE_PROMPT
from quorate.chat.ledgers import NEW_PLAN as ORCHESTRATOR_TASK_LEDGER_PLAN_UPDATE_PROMPT
from quorate.chat.ledgers import PLAN as ORCHESTRATOR_TASK_LEDGER_PLAN_PROMPT
from quorate.chat.ledgers import PROGRESS as ORCHESTRATOR_PROGRESS_LEDGER_PROMPT

ORCHESTRATOR_SYSTEM_MESSAGE = ""


class LedgerEntryBooleanAnswer(BaseModel):
    """Yes or no, and why."""

    reason: str
    answer: bool


class LedgerEntryStringAnswer(BaseModel):
    """A text, and why."""

    reason: str
    answer: str


class LedgerEntry(BaseModel):
    """How it goes, as a model with structured output has to answer."""

    is_request_satisfied: LedgerEntryBooleanAnswer
    is_in_loop: LedgerEntryBooleanAnswer
    is_progress_being_made: LedgerEntryBooleanAnswer
    next_speaker: LedgerEntryStringAnswer
    instruction_or_question: LedgerEntryStringAnswer


__all__ = [
    "ORCHESTRATOR_FINAL_ANSWER_PROMPT",
    "ORCHESTRATOR_PROGRESS_LEDGER_PROMPT",
    "ORCHESTRATOR_SYSTEM_MESSAGE",
    "ORCHESTRATOR_TASK_LEDGER_FACTS_PROMPT",
    "ORCHESTRATOR_TASK_LEDGER_FACTS_UPDATE_PROMPT",
    "ORCHESTRATOR_TASK_LEDGER_FULL_PROMPT",
    "ORCHESTRATOR_TASK_LEDGER_PLAN_PROMPT",
    "ORCHESTRATOR_TASK_LEDGER_PLAN_UPDATE_PROMPT",
    "LedgerEntry",
    "LedgerEntryBooleanAnswer",
    "LedgerEntryStringAnswer",
]
