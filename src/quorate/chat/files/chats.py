"""Chats of two, one after the other, in team files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from quorate.chat.chats import SUMMARY_PROMPT, Chat, NestedChats, Summary
from quorate.chat.files.forms import ConditionPart, Count, MemberPart, Name
from quorate.core.config import Fields, Kind, Part
from quorate.errors import ConfigError
from quorate.models.kinds import ModelPart


def _last(text: str) -> str:
    if text != "last":
        raise ConfigError(f"summary={text!r} is neither 'last' nor a summary in full: {{type: summary, …}}.")
    return text


ChatPart = Annotated[Any, Part("chat")]
SummaryPart = Annotated[Any, Part("summary", _last)]


class SummaryFields(Fields):
    """What a model makes of a chat, to be carried over."""

    model_client: ModelPart = Field(description="The model, by name or in full.")
    prompt: str = Field(SUMMARY_PROMPT, min_length=1, description="What it is asked, behind what was said.")
    max_tokens: Count = Field(1024, description="The most tokens of it.")


class ChatFields(Fields):
    """One of several chats of two."""

    first: MemberPart = Field(description="Who says the task.")
    other: MemberPart = Field(description="Who is told.")
    task: str = Field("", description="What it is about; left out: what was said last.")
    max_turns: Count = Field(2, description="How often each of them may speak after the task.")
    termination_condition: ConditionPart | None = Field(None, description="When it is over before that.")
    summary: SummaryPart | None = Field(
        None, description="What is carried over: a summary by a model; `last`, or left out: the last message."
    )
    carryover: bool = Field(True, description="Whether what came of the chats before is told with the task.")


class NestedChatsFields(Fields):
    """Answers by having chats of two, one after the other."""

    name: Name = Field(description="Who it is in the thread.")
    chats: list[ChatPart] = Field(min_length=1, description="In their order.")
    description: str = Field("Thinks by talking.", description="What it is for, as others are told.")


def _of_chats(agent: NestedChats) -> Mapping[str, Any]:
    return {"name": agent.name, "chats": list(agent.chats), "description": agent.description}


def _chat(summary: Any, **fields: Any) -> Chat:
    return Chat(summary=summary or "last", **fields)


def _of_chat(chat: Chat) -> Mapping[str, Any]:
    said = {name: getattr(chat, name) for name in ChatFields.model_fields}
    return {**said, "summary": None if chat.summary == "last" else chat.summary}


CHATS = (
    Kind("nested_chats", "agent", NestedChats, NestedChatsFields, values=_of_chats),
    Kind("chat", "chat", Chat, ChatFields, make=_chat, values=_of_chat),
    Kind("summary", "summary", Summary, SummaryFields),
)
