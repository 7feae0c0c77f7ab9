"""A team file with an agent and a team as tools, in real processes: checked, run, cut, resumed, replayed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

QUORATE = [sys.executable, "-m", "quorate"]
MODULE = """
import os
from quorate.chat.files.document import kind
from quorate.models.blocks import Reply, ToolCall
from quorate.testing import ScriptedModel

@kind("canned")
class Canned(ScriptedModel):
    def __init__(self, lines: list[str]) -> None:
        super().__init__([self._answer] * 99)
        self.lines = lines

    def _answer(self, request):
        told = sum(isinstance(block, Reply) for block in request.blocks)
        line = self.lines[min(told, len(self.lines) - 1)]
        if line == os.environ.get("STOP_AT"):
            os._exit(9)
        return ToolCall(str(told), line[1:], '{"task": "Count the chairs."}') if line.startswith("!") else line
"""
TEAM = """
type: round_robin
participants:
  - type: assistant
    name: lead
    model_client: {type: canned, lines: ["!clerk", "!office", "!clerk", "We have 12."]}
    tools:
      - type: agent_tool
        agent: {type: assistant, name: clerk, model_client: {type: canned, lines: ["12.", "Still 12."]}}
        return_value_as_last_message: true
        remember: true
      - type: team_tool
        name: office
        description: Checks what was counted.
        team:
          type: round_robin
          participants:
            - {type: assistant, name: ann, model_client: {type: canned, lines: [I agree.]}}
            - {type: assistant, name: bob, model_client: {type: canned, lines: [Me too.]}}
          max_turns: 2
        limits: {model_calls: 3}
termination_condition: {type: max_messages, max_messages: 2}
max_turns: 1
"""


def told(folder: Path, *words: str, code: int = 0, **more: str) -> list[Any]:
    """Return what a command prints with `--json`."""
    done = subprocess.run(
        [*QUORATE, *words, "--json"], cwd=folder, capture_output=True, text=True, timeout=60, env={**os.environ, **more}
    )
    assert done.returncode == code, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_team_file_with_an_agent_and_a_team_as_tools_is_checked_run_resumed_and_replayed(tmp_path: Path) -> None:
    # ENGINE 1, 4
    (tmp_path / "quorate.toml").write_text('[quorate]\nmodules = ["canned"]\n')
    (tmp_path / "canned.py").write_text(MODULE)
    (tmp_path / "team.yaml").write_text(TEAM)

    [checked] = told(tmp_path, "check", "team.yaml")
    told(tmp_path, "run", "team.yaml", "How many?", "--conversation", "talk", code=9, STOP_AT="Me too.")
    resumed = told(tmp_path, "resume", "talk")
    [report] = told(tmp_path, "replay", "talk")

    said = [item["content"] for item in resumed if item.get("type") == "TextMessage"]
    [office] = [r["content"] for item in resumed if item.get("type") == "ToolCallExecutionEvent"
                for r in item["content"] if r["name"] == "office"]  # fmt: skip
    assert checked["worst"]["model_calls"] > 11, "what the tools may call counts"
    assert "ann: I agree." in office
    assert "bob: Me too." in office
    assert (said[-1], "12." in said, "Still 12." in said) == ("We have 12.", False, True), "the clerk went on"
    assert (report["identical"], report["unchecked"]) == (True, [])
