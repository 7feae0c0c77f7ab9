"""What runs code, as documents have it: its limits, and nothing that would be run."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from quorate.core.config import Fields, Kind, Part
from quorate.errors import ConfigError
from quorate.executors.local import LocalCommandLineCodeExecutor

ExecutorPart = Annotated[Any, Part("executor")]
Size = Annotated[int, Field(gt=0)]


class LocalFields(Fields):
    """Runs Python and shell code in processes of this machine, as this user: the level `process`."""

    timeout_s: float = Field(60.0, gt=0, description="How long one block may take, in seconds.")
    work_dir: str | None = Field(None, min_length=1, description="Its folder; left out: one that is removed after.")
    memory_bytes: Size = Field(1 << 30, description="Of all its processes together. Linux only.")
    processes: Size = Field(32, description="How many it may have at a time. Linux only.")
    output_bytes: Size = Field(100_000, description="How much of its output is kept.")
    file_bytes: Size = Field(1 << 28, description="How large a file it may write.")


def _of_local(executor: LocalCommandLineCodeExecutor) -> Mapping[str, Any]:
    if executor.python != sys.executable or executor.env:
        raise ConfigError(
            f"{executor!r} has a python or an env of its own. A document cannot say what is run on this machine, nor "
            "what is in its environment."
        )
    folder = executor.work_dir
    names = (name for name in LocalFields.model_fields if name != "work_dir")
    return {**{name: getattr(executor, name) for name in names}, "work_dir": None if folder is None else str(folder)}


EXECUTORS = (Kind("local_command_line", "executor", LocalCommandLineCodeExecutor, LocalFields, values=_of_local),)
