"""Whether spans are made: off unless the application asks, and then nothing of it is even imported."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

    from quorate.core.spans import Spans

spans: Spans | None = None
"""Makes the spans of this process; None while tracing is off, and then that is all that is looked at."""


def enable_tracing(tracer_provider: TracerProvider | None = None) -> None:
    """Make OpenTelemetry spans of runs, agents, model calls, tool calls and messages from here on.

    Runtimes that are started already go on as they are.

    Args:
        tracer_provider: Where spans go; by default OpenTelemetry's global provider.

    Raises:
        MissingExtra: The package opentelemetry-api is not installed.
    """
    global spans
    spans = importlib.import_module("quorate.core.spans").Spans(tracer_provider)


def disable_tracing() -> None:
    """Make no more spans; those that are open end as they would."""
    global spans
    spans = None
