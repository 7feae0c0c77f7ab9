"""Doubles that users need in their own tests too, and suites for what they implement."""

from __future__ import annotations

from quorate.models.scripted import ScriptedModel, Unscripted
from quorate.testing.clock import FakeClock
from quorate.testing.replaying import Differs, record, replaying
from quorate.testing.stores import StoreCase, check_store, store_cases

__all__ = [
    "Differs", "FakeClock", "ScriptedModel", "StoreCase", "Unscripted", "check_store", "record", "replaying",
    "store_cases",
]  # fmt: skip
