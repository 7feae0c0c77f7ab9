"""Messages with images, and message types of one's own: to models, through the journal, and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest

from quorate import (
    Agent,
    AssistantAgent,
    Image,
    MaxMessageTermination,
    MultiModalMessage,
    RoundRobinGroupChat,
    TextMessage,
    Turn,
    open_store,
    replay,
)
from quorate.chat import messages
from quorate.chat.messages import BaseAgentEvent, BaseChatMessage, BaseTextChatMessage
from quorate.chat.past.audit import check_digest, requests
from quorate.errors import ConfigError
from quorate.models.blocks import IMAGE_TOKENS, Said
from quorate.models.calls import prompt_bound
from quorate.models.context import TOKENS_OF_IMAGE, tokens_of
from quorate.testing import ScriptedModel

TEXT = TextMessage
PICTURE = Image(b"\x89PNG\r\n\x1a\n" + bytes(40))
OTHER = Image(b"\x89PNG\r\n\x1a\n" + bytes(41))


def asking(*content: Any) -> MultiModalMessage:
    return MultiModalMessage(source="user", content=list(content) or ["What is this?", PICTURE])


def seen_by(model: ScriptedModel, request: int = 0, block: int = 0) -> Said:
    found = model.requests[request].blocks[block]
    assert isinstance(found, Said)
    return found


async def test_image_reaches_the_model_and_one_that_sees_none_is_told() -> None:
    model = ScriptedModel(["A dot."])

    await AssistantAgent("a", model).run(asking())

    said = seen_by(model)
    assert said.parts == ("What is this?", PICTURE)
    assert said.text == "What is this? [an image, which you are not shown]"
    assert prompt_bound(model.requests[0]) > IMAGE_TOKENS
    assert TOKENS_OF_IMAGE < tokens_of(said) < 2 * TOKENS_OF_IMAGE


def test_it_is_read_in_the_ways_that_autogen_has() -> None:
    said = asking("Look:", PICTURE, "nice")

    assert said.to_text() == "Look:\n<image>\nnice"
    assert said.to_model_text() == "Look: [image]nice"
    assert said.to_model_text(None) == f"Look: {PICTURE.to_base64()}nice"
    assert said.to_text(iterm=True).split("\n")[1] == f"\x1b]1337;File=inline=1:{PICTURE.to_base64()}\a"
    assert messages.load(json.loads(json.dumps(said.dump()))) == said


def test_digest_of_a_block_tells_images_apart() -> None:
    one, other = (asking("?", image).to_block("person", "") for image in (PICTURE, OTHER))

    assert one.text == other.text
    assert one.content != other.content


async def test_image_is_in_the_journal_once_and_comes_back_with_it(tmp_path: Path) -> None:
    # ENGINE 14, 4: requests refer to it, an auditor can rebuild them, and a replay compares them
    def team() -> RoundRobinGroupChat:
        agents = [AssistantAgent(n, ScriptedModel(["One.", "Two."])) for n in "ab"]
        return RoundRobinGroupChat(agents, termination_condition=MaxMessageTermination(4))

    async with open_store(f"sqlite:///{tmp_path / 'talk.db'}") as store:
        await team().run(asking(), conversation=store.conversation("talk"))
        entries = await store.read("talk")
        assert sum(json.dumps(e.payload).count(PICTURE.to_base64()) for e in entries) == 1
        assert (await replay("talk", team=team(), store=store)).identical
        journal = await store.open("talk")
        for path, found in requests("talk", entries).items():
            for one in found:
                assert one.digest
                check_digest(one, journal.fingerprint, path)
        await journal.release()
        model = ScriptedModel(["Three."])
        await AssistantAgent("c", model).run("And now?", conversation=store.conversation("talk"))

    assert seen_by(model).parts == ("What is this?", PICTURE)


async def test_context_may_show_an_image_that_no_entry_holds(tmp_path: Path) -> None:
    class Reminding:
        def view(self, blocks: Any) -> Any:
            return blocks.plus(Said("Remember [it].", "user", parts=("Remember ", PICTURE)))

    async with open_store(f"sqlite:///{tmp_path / 'talk.db'}") as store:
        agent = AssistantAgent("a", ScriptedModel(["Yes."]), model_context=Reminding())
        await agent.run("Hello.", conversation=store.conversation("talk"))
        [[asked]] = requests("talk", await store.read("talk")).values()
        journal = await store.open("talk")
        check_digest(asked, journal.fingerprint, "here")
        await journal.release()

    said = asked.request.blocks[-1]
    assert isinstance(said, Said)
    assert said.parts == ("Remember ", PICTURE)


# -- types of one's own -----------------------------------------------------------------------------------------------


class Invoice(BaseChatMessage):
    cents: int
    type: Literal["Invoice"] = "Invoice"

    def to_text(self) -> str:
        return f"{self.cents / 100:.2f} EUR"


class Looked(BaseAgentEvent):
    content: dict[str, int]
    type: Literal["Looked"] = "Looked"


class Clerk(Agent):
    async def speak(self, turn: Turn) -> BaseChatMessage:
        turn.emit(Looked(source=self.name, content={"shelf": 3}))
        return Invoice(source=self.name, cents=1250)


async def test_own_types_go_through_the_journal_and_a_replay() -> None:
    from quorate.runs.memory import MemoryStore

    store, model = MemoryStore(), ScriptedModel(["Paid.", "Again?"])
    team = RoundRobinGroupChat(
        [Clerk("clerk"), AssistantAgent("a", model)], termination_condition=MaxMessageTermination(3)
    )

    await team.run(Invoice(source="user", cents=5), conversation=store.conversation("talk"))
    assert (await replay("talk", team=team, store=store)).identical
    again = await team.run("More.", conversation=store.conversation("talk"))

    told = [m for m in again.messages if isinstance(m, Looked | Invoice)]
    assert [m.to_text() for m in told] == ["{'shelf': 3}", "12.50 EUR"]
    assert [seen_by(model, 1, i).text for i in (0, 1, 3)] == ["0.05 EUR", "12.50 EUR", "More."]


def test_own_type_does_not_take_the_place_of_one_of_quorates() -> None:
    with pytest.raises(ConfigError, match=r"test_multimodal.TextMessage would be read from journals in place"):

        class TextMessage(BaseTextChatMessage):  # pyright: ignore[reportUnusedClass]
            pass

    assert type(messages.load({"type": "TextMessage", "source": "a", "content": "x"})) is TEXT


def test_type_that_nobody_has_defined_says_what_to_do() -> None:
    with pytest.raises(ConfigError, match=r"no message type 'Nothing'. Import the module that defines it"):
        messages.load({"type": "Nothing"})
