"""Doubles that users need in their own tests too."""

from __future__ import annotations

from quorate.models.scripted import ScriptedModel, Unscripted
from quorate.testing.clock import FakeClock

__all__ = ["FakeClock", "ScriptedModel", "Unscripted"]
