"""Every example does what it was recorded to do, offline: nothing is asked, every entry is compared."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from quorate.executors.code import code_blocks_in
from quorate.testing import Differs, replaying

EXAMPLES = Path(__file__).parents[2] / "examples"
RECORDED = Path(__file__).parent / "recorded"
NAMES = sorted(file.stem for file in RECORDED.glob("*.jsonl"))


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_every_example_with_a_team_is_recorded() -> None:
    made = [file.stem for file in EXAMPLES.glob("*.py") if "def team(" in file.read_text()]

    assert set(made) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
async def test_example_does_what_was_recorded_on_the_embedded_model(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))  # there are no weights here

    result = await replaying(RECORDED / f"{name}.jsonl").check(loaded(name).team())

    assert result.outcome is not None
    assert result.outcome.kind == "completed"
    assert result.usage.completion_tokens > 0


async def test_example_that_was_changed_no_longer_does() -> None:
    team = loaded("support").team()
    team.participants[0].system_message = "Be rude."

    with pytest.raises(Differs, match="standing parts"):
        await replaying(RECORDED / "support.jsonl").check(team)


@pytest.mark.parametrize("name", NAMES)
def test_example_is_healthy(name: str) -> None:
    module = loaded(name)

    report = module.team().check(task=module.TASK)

    assert report.ok, report
    assert [f.rule for f in report.findings if f.severity == "warning"] == []


async def test_debate_ends_with_data() -> None:
    result = await replaying(RECORDED / "debate.jsonl").check(loaded("debate").team())

    assert result.value.rounds == 2
    assert result.value.winner in {"bull", "bear", ""}
    assert result.value.synthesis


async def test_support_hands_over_to_who_can_help() -> None:
    result = await replaying(RECORDED / "support.jsonl").check(loaded("support").team())

    handoff = next(m for m in result.messages if getattr(m, "target", None))
    assert (handoff.source, getattr(handoff, "target", None)) == ("desk", "returns")
    assert result.messages[-1].to_text() == "They can be sent back."


async def test_approval_waits_for_a_person_and_pays_only_what_was_approved() -> None:
    recorded = replaying(RECORDED / "approval.jsonl")
    entries = await recorded.conversation.entries()
    kinds = [entry.kind for entry in entries]

    assert kinds.index("question") < kinds.index("answer") < kinds.index("intent") < kinds.index("result")
    asked: Any = next(entry for entry in entries if entry.kind == "question").payload
    intent = next(entry for entry in entries if entry.kind == "intent").payload
    assert (asked["name"], asked["arguments"]) == (intent["name"], intent["arguments"])


async def test_code_that_ran_is_the_coders_own_to_the_letter_and_a_person_had_read_it() -> None:
    recorded = replaying(RECORDED / "coding.jsonl")
    result = await recorded.check(loaded("coding").team())
    entries: list[Any] = await recorded.conversation.entries()
    asked, ran = (next(e.payload for e in entries if e.kind == kind) for kind in ("question", "intent"))

    [block] = code_blocks_in(result.messages[1].to_text())
    assert json.loads(ran["arguments"]) == {"blocks": [{"code": block.code, "language": "python"}]}
    assert (asked["name"], asked["arguments"]) == (ran["name"], ran["arguments"])
    assert result.messages[2].to_text() == "5050\n"
