"""A team of the AutoGen view whose planner says messages of one name from two modules, for another process.

STOP_AT ends the process in that turn; MODULES says in which order they are imported.
"""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

from quorate.compat.autogen import QuorateChatCompletionClient, quorate_team
from quorate.compat.autogen.agentchat.agents import BaseChatAgent
from quorate.compat.autogen.agentchat.base import Response
from quorate.compat.autogen.agentchat.messages import TextMessage
from quorate.compat.autogen.agentchat.teams import MagenticOneGroupChat
from quorate.compat.autogen.core import CancellationToken
from quorate.compat.autogen.orchestrating import MagenticOneOrchestrator
from quorate.testing import ScriptedModel

sys.path.insert(0, str(Path.cwd()))
modules = {name: importlib.import_module(name) for name in os.environ.get("MODULES", "sales stock").split()}


class Clerk(BaseChatAgent):
    """Says from which modules the messages are that it was told."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "A clerk.")
        self.told: list[str] = []

    @property
    def produced_message_types(self) -> Any:
        return (TextMessage,)

    async def on_messages(self, messages: Any, cancellation_token: CancellationToken) -> Response:
        self.told += [type(message).__module__ for message in messages if type(message).__name__ == "Report"]
        if len(self.told) == int(os.environ.get("STOP_AT", "0")):
            os._exit(9)
        return Response(chat_message=TextMessage(content=" ".join(self.told), source=self.name))

    async def on_reset(self, cancellation_token: CancellationToken) -> None: ...

    async def save_state(self) -> dict[str, Any]:
        return {"told": list(self.told)}

    async def load_state(self, state: Any) -> None:
        self.told = list(state["told"])


class Planner(MagenticOneOrchestrator):
    """Says reports of both modules by turns, and in the end from which modules those of its thread are."""

    async def _reenter_outer_loop(self, cancellation_token: CancellationToken) -> None:
        self._message_thread.clear()
        await self._orchestrate_step(cancellation_token)

    async def _orchestrate_step(self, cancellation_token: CancellationToken) -> None:
        self._n_rounds += 1
        if self._n_rounds > 4:
            seen = [type(one).__module__ for one in self._message_thread if type(one).__name__ == "Report"]
            await self._say(" ".join(seen))
            await self._prepare_final_answer("All is told.", cancellation_token)
            return
        said = modules[("stock", "sales")[self._n_rounds % 2]].Report(source=self._name, count=1)
        await self.update_message_thread([said])
        await self._output_message_queue.put(said)
        self._desk.called.append("clerk")


class Planned(MagenticOneGroupChat):
    """A team with that planner."""

    def __init__(self) -> None:
        client = QuorateChatCompletionClient(ScriptedModel(["Something."] * 9))
        super().__init__([Clerk("clerk")], client)  # type: ignore[arg-type]
        self._base_group_chat_manager_class = Planner

    def _create_group_chat_manager_factory(self, **given: Any) -> Any:
        return lambda: Planner(
            **given, model_client=self._model_client, max_stalls=3, final_answer_prompt="", emit_team_events=False
        )


team = quorate_team(Planned())
