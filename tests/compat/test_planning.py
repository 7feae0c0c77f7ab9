"""What a planner of the AutoGen view leaves in the journal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.compat.test_in_quorate import Written, ledger

import quorate
from quorate.chat.past import audit
from quorate.compat.autogen import quorate_team
from quorate.compat.autogen.agentchat.agents import AssistantAgent
from quorate.compat.autogen.agentchat.teams import MagenticOneGroupChat
from quorate.compat.autogen.core.models import AssistantMessage


def planned(planner: Written) -> Any:
    members: list[Any] = [AssistantAgent(name, Written(f"{name} 1", f"{name} 2")) for name in ("ann", "bob")]
    return quorate_team(MagenticOneGroupChat(members, planner))


async def test_what_a_planner_has_said_is_in_the_journal_once_and_its_questions_refer_to_it(tmp_path: Path) -> None:
    planner = Written(
        "F-1", "P-1", ledger("ann"), ledger("bob"), ledger("ann"), ledger("ann", done=True), "It is done."
    )
    async with quorate.open_store(f"sqlite:///{tmp_path / 'a.db'}") as store:
        talk = store.conversation("talk")
        result = await planned(planner).run("go", conversation=talk)
        entries = await talk.entries()
        same = await quorate.replay("talk", team=planned(Written()), store=store)

    asked = [request for found in audit.requests("talk", entries).values() for request in found]
    own = [m.content for call in planner.asked for m in call["messages"] if isinstance(m, AssistantMessage)]
    rebuilt = [b.text for one in asked for b in one.request.blocks if getattr(b, "source", None) is None]
    quoted = [text for e in entries if e.kind == "call" for text in e.payload["blocks"] if json.dumps("go on") in text]

    assert result.messages[-1].text == "It is done."
    assert own.count("go on") == 1 + 2 + 3 + 3  # each question has all that it has said so far
    assert [text for text in rebuilt if text == "go on"] == ["go on"] * own.count("go on")
    assert not quoted
    assert same.identical
