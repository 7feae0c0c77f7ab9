"""`quorate show` and `quorate replay`."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quorate import Agent, AssistantAgent, DiGraphBuilder, GraphFlow, TextMessage, Turn, conversation
from quorate.cli.transcript import told
from quorate.runs.history import fold
from quorate.runs.open import open_store
from quorate.testing import ScriptedModel


@pytest.fixture
def done(cli: Any) -> Any:
    """A run that is completed."""
    return cli("run", "team.yaml", "What is x?")


def test_show_tells_who_spoke_and_why_and_why_it_ended(cli: Any, done: Any) -> None:
    lines = cli("show", done.run_id).out.splitlines()

    assert lines[0].startswith(f"run {done.run_id} · 20")
    assert lines[1:18] == [
        "user: What is x?",
        "",
        "--- turn 1: next in order · analyst",
        'analyst: stats(column="x") → {"mean":12.5}  · 48 tokens',
        "analyst: The mean is 12.5.  · 44 tokens",
        "",
        "--- turn 2: next in order · critic",
        "critic: I doubt it [bold]very much[/bold].  · 45 tokens",
        "",
        "--- turn 3: next in order · analyst",
        'analyst: stats(column="x") → {"mean":12.5}  · 48 tokens',
        "analyst: The mean is 12.5.  · 44 tokens",
        "",
        "--- turn 4: next in order · critic",
        "critic: APPROVE  · 41 tokens",
        "",
        "completed: critic said 'APPROVE'",
    ]


def test_show_tells_figures_and_the_head(cli: Any, done: Any) -> None:
    out = cli("show", done.run_id).out

    assert "4 turns · 6 model calls · 2 tool calls · 270 tokens · $0 · " in out
    head = cli("run", "team.yaml", "And y?", "--conversation", "other", "--json").json[-1]["head"]
    assert f"journal of other: 28 entries, head {head}" in cli("show", "other").out


def test_show_of_a_conversation_has_all_its_runs(cli: Any, done: Any) -> None:
    conversation = done.run_id[:-2]
    cli("run", "errors.yaml", "And z?", "--conversation", conversation)

    both = cli("show", conversation).out
    one = cli("show", f"{conversation}.2").out

    assert "user: What is x?" in both
    assert "user: And z?" in both
    assert "user: What is x?" not in one
    assert "clumsy: stats(column=\"z\") → error: KeyError: 'z'" in one


def test_show_of_an_unfinished_run_says_how_to_go_on(cli: Any) -> None:
    stopped = cli("run", "failing.yaml", "x")

    out = cli("show", stopped.run_id).out

    assert "--- turn 1, not finished: next in order · bad" in out
    assert "failed: ModelError: The provider said no." in out
    assert f"Go on with: quorate resume {stopped.run_id}" in out


def test_show_names_the_app_of_a_team_from_python(cli: Any, project: Any) -> None:
    stopped = cli("run", f"{project.module}:team", "x", "--limits", "turns=1")

    out = cli("show", stopped.run_id).out

    assert f"Go on with: quorate resume {stopped.run_id} --app {project.module}:team --limits turns=2" in out


def test_show_as_json_has_all_of_it(cli: Any, done: Any) -> None:
    [told] = cli("show", done.run_id, "--json").json

    assert told["run_id"] == done.run_id
    assert told["outcome"]["kind"] == told["status"] == "completed"
    assert told["figures"]["turns"] == 4
    assert told["head"]["length"] == 28
    first = told["turns"][0]
    assert (first["speakers"], first["reason"]) == (["analyst"], "next in order")
    assert (first["state"], first["tokens"], first["cost_usd"]) == ("closed", 92, 0)
    assert [item["type"] for item in first["said"]] == ["ToolCallRequestEvent", "ToolCallExecutionEvent", "TextMessage"]


def test_show_entries_is_the_journal_itself(cli: Any, done: Any) -> None:
    entries = cli("show", done.run_id, "--entries").json

    assert [entry["seq"] for entry in entries] == list(range(1, 29))
    assert (entries[0]["kind"], entries[-1]["kind"]) == ("run", "ended")
    assert entries[-1]["payload"]["outcome"] == "completed"


def test_show_tells_messages_of_a_type_it_does_not_know(cli: Any, done: Any, alter: Callable[[str, str], None]) -> None:
    run = cli("show", done.run_id, "--entries").json[0]["payload"]
    run["task"] = [{"type": "Invoice", "source": "shop", "content": "Pay!", "cents": 5}]
    alter("run", json.dumps(run))

    assert "shop: Pay!" in cli("show", done.run_id).out


@pytest.mark.parametrize("payload", ['{"text":"Forged.","in":1,"out":1}', "{}", "[", '{"text":7}'])
def test_show_and_replay_tell_that_a_journal_was_altered(
    cli: Any, done: Any, alter: Callable[[str, str], None], payload: str
) -> None:
    alter("reply", payload)

    for command in ("show", "replay"):
        ran = cli(command, done.run_id)

        assert ran.code == 1
        assert "altered" in ran.err or "damaged" in ran.err


@pytest.mark.parametrize("command", ["show", "resume", "replay"])
def test_ids_that_fit_nothing_or_too_much_are_told(cli: Any, command: str) -> None:
    for name in ("alpha", "alps"):
        cli("run", "errors.yaml", "x", "--conversation", name)

    assert cli(command, "zz").err == (
        "quorate: No run and no conversation begins with 'zz' here. `quorate runs` lists them.\n"
    )
    assert cli(command, "al").err == "quorate: 2 conversations begin with 'al': alpha, alps. Write more of it.\n"
    assert cli(command, "alpha.7").err == "quorate: Conversation alpha has runs 1 to 1, no run 7.\n"
    assert cli(command, "").code == 2


def test_full_id_wins_over_a_longer_one(cli: Any) -> None:
    for name in ("alp", "alps"):
        cli("run", "errors.yaml", "x", "--conversation", name)

    assert cli("show", "alp").out.startswith("run alp.1 ")


def test_replay_is_identical(cli: Any, done: Any) -> None:
    ran = cli("replay", done.run_id[:5])

    assert ran.code == 0
    assert ran.out.startswith(f"Run {done.run_id} replays identically: ")
    assert "no outside call made." in ran.out


def test_replay_with_another_team_tells_the_first_difference(cli: Any, done: Any) -> None:
    team = json.loads(Path("team.yaml").read_text())
    team["participants"].reverse()
    Path("other.yaml").write_text(json.dumps(team))

    ran = cli("replay", done.run_id, "--team", "other.yaml")

    assert ran.code == 1
    assert ran.out == ""
    assert ran.err.startswith(f"Run {done.run_id} does not replay: the run: the journal's run ")
    entry, expected, got, where = ran.err.splitlines()[1:]
    assert entry == "  entry:       1, a run"
    assert expected == "  expected:    analyst"
    assert got == "  got:         critic"
    assert where == "  in the code: the team's document"


def test_running_run_is_told_as_running(cli: Any, done: Any) -> None:
    async def shown_while_held() -> Any:
        async with open_store(".quorate/quorate.db") as store:
            journal = await store.open(done.run_id[:-2])
            journal.append(1, "", "resumed", {})
            await journal.commit()
            ran = await asyncio.to_thread(lambda: (cli("runs"), cli("show", done.run_id), cli("resume", done.run_id)))
            await journal.release()
        return ran

    runs, shown, resumed = asyncio.run(shown_while_held())

    assert " running " in runs.out
    assert "running: A living process is at it." in shown.out
    assert resumed.err == (
        f"quorate: Run {done.run_id} is going on in another living process. Wait for it, or stop it there. "
        "If it hangs: --take-over.\n"
    )


async def test_race_and_the_last_words_of_a_policy_are_told_and_an_end_without_words_is_no_turn() -> None:
    class Late(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            await asyncio.sleep(60)
            raise AssertionError

    def says(name: str) -> AssistantAgent:
        return AssistantAgent(name, ScriptedModel([f"{name} spoke"]))

    builder = DiGraphBuilder()
    for member in (says("a"), says("b"), Late("c"), says("d")):
        builder.add_node(member)
    builder.add_edge("a", "b").add_edge("a", "c").add_edge("b", "d", activation_condition="any").add_edge("c", "d")
    talk = conversation("talk")
    await GraphFlow(builder.get_participants(), builder.build()).run(task="Go.", conversation=talk)

    turns = told("talk", fold(await talk.entries())[1]).turns

    assert [turn.speakers for turn in turns] == [("a",), ("b", "c"), ("d",)]
    assert turns[1].reason == "a → b, a → c (a race, enough: b)"
