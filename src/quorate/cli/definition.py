"""The team of a run: from a file, from Python by its name, or from the document that its journal has.

Only here, and in `quorate.toml`, does a name become an import: the operator wrote it. What a journal or a team file
names is never imported.
"""

from __future__ import annotations

import importlib
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quorate.chat.live import Runnable
from quorate.cli.place import Found, Place
from quorate.errors import ConfigError
from quorate.runs.entries import Payload

_IN_PYTHON = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


@dataclass(frozen=True)
class Definition:
    """A team, and how to come by it again.

    Attributes:
        team: What to run.
        entry: What to journal about it; None where the journal has it, or the team itself says it.
        words: What a later command has to be told, such as `--app demo:team`.
    """

    team: Runnable
    entry: Payload | None = None
    words: tuple[str, ...] = ()
