"""Families of models, by AutoGen's names."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

_OPENAI = {"gpt-5", "gpt-45", "gpt-41", "gpt-4o", "o1", "o3", "o4", "gpt-4", "gpt-35"}
_MISTRAL = {"codestral", "open-codestral-mamba", "mistral", "ministral", "pixtral"}


class ModelFamily:
    """The families; a namespace, never made.

    Raises:
        TypeError: It was.
    """

    GPT_5 = "gpt-5"
    GPT_41 = "gpt-41"
    GPT_45 = "gpt-45"
    GPT_4O = "gpt-4o"
    O1 = "o1"
    O3 = "o3"
    O4 = "o4"
    GPT_4 = "gpt-4"
    GPT_35 = "gpt-35"
    R1 = "r1"
    GEMINI_1_5_FLASH = "gemini-1.5-flash"
    GEMINI_1_5_PRO = "gemini-1.5-pro"
    GEMINI_2_0_FLASH = "gemini-2.0-flash"
    GEMINI_2_5_PRO = "gemini-2.5-pro"
    GEMINI_2_5_FLASH = "gemini-2.5-flash"
    CLAUDE_3_HAIKU = "claude-3-haiku"
    CLAUDE_3_SONNET = "claude-3-sonnet"
    CLAUDE_3_OPUS = "claude-3-opus"
    CLAUDE_3_5_HAIKU = "claude-3-5-haiku"
    CLAUDE_3_5_SONNET = "claude-3-5-sonnet"
    CLAUDE_3_7_SONNET = "claude-3-7-sonnet"
    CLAUDE_4_OPUS = "claude-4-opus"
    CLAUDE_4_SONNET = "claude-4-sonnet"
    LLAMA_3_3_8B = "llama-3.3-8b"
    LLAMA_3_3_70B = "llama-3.3-70b"
    LLAMA_4_SCOUT = "llama-4-scout"
    LLAMA_4_MAVERICK = "llama-4-maverick"
    CODESRAL = "codestral"
    OPEN_CODESRAL_MAMBA = "open-codestral-mamba"
    MISTRAL = "mistral"
    MINISTRAL = "ministral"
    PIXTRAL = "pixtral"
    UNKNOWN = "unknown"

    ANY: TypeAlias = Literal[
        "gpt-5",
        "gpt-41",
        "gpt-45",
        "gpt-4o",
        "o1",
        "o3",
        "o4",
        "gpt-4",
        "gpt-35",
        "r1",
        "gemini-1.5-flash",
        "gemini-1.5-pro",
        "gemini-2.0-flash",
        "gemini-2.5-pro",
        "gemini-2.5-flash",
        "claude-3-haiku",
        "claude-3-sonnet",
        "claude-3-opus",
        "claude-3-5-haiku",
        "claude-3-5-sonnet",
        "claude-3-7-sonnet",
        "claude-4-opus",
        "claude-4-sonnet",
        "llama-3.3-8b",
        "llama-3.3-70b",
        "llama-4-scout",
        "llama-4-maverick",
        "codestral",
        "open-codestral-mamba",
        "mistral",
        "ministral",
        "pixtral",
        "unknown",
    ]

    def __new__(cls, *args: Any, **kwargs: Any) -> ModelFamily:
        raise TypeError(f"{cls.__name__} is a namespace class and cannot be instantiated.")

    @staticmethod
    def is_claude(family: str) -> bool:
        """Return whether a family is one of Anthropic's Claude models."""
        return family.startswith("claude-") and family in _ALL

    @staticmethod
    def is_gemini(family: str) -> bool:
        """Return whether a family is one of Google's Gemini models."""
        return family.startswith("gemini-") and family in _ALL

    @staticmethod
    def is_openai(family: str) -> bool:
        """Return whether a family is one of OpenAI's."""
        return family in _OPENAI

    @staticmethod
    def is_llama(family: str) -> bool:
        """Return whether a family is one of Meta's Llama models."""
        return family.startswith("llama-") and family in _ALL

    @staticmethod
    def is_mistral(family: str) -> bool:
        """Return whether a family is one of Mistral's."""
        return family in _MISTRAL


_ALL = {value for name, value in vars(ModelFamily).items() if name.isupper() and isinstance(value, str)}
