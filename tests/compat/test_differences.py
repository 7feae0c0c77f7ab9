"""Where the view is not as AutoGen, on purpose."""

import asyncio
import json
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from quorate import AssistantAgent, MaxMessageTermination, RoundRobinGroupChat
from quorate.compat.autogen.core import (
    AgentId,
    BaseAgent,
    CancellationToken,
    ComponentLoader,
    DefaultInterventionHandler,
    DropMessage,
    SingleThreadedAgentRuntime,
    TopicId,
    TypePrefixSubscription,
    TypeSubscription,
)
from quorate.compat.autogen.core.exceptions import MessageDroppedException, UndeliverableException
from quorate.compat.autogen.core.model_context import TokenLimitedChatCompletionContext
from quorate.compat.autogen.core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    UserMessage,
)
from quorate.compat.autogen.core.tool_agent import ToolException
from quorate.compat.autogen.core.tools import FunctionTool, StaticStreamWorkbench, ToolOverride
from quorate.compat.autogen.values import FunctionCall
from quorate.core import LocalRuntime, MessageContext, RoutedAgent, message_handler
from quorate.core.serialisation import serializers_of
from quorate.errors import ConfigError, QuorateError
from quorate.testing import ScriptedModel


@dataclass
class Say:
    text: str


class Notes(BaseAgent):
    def __init__(self) -> None:
        super().__init__("notes")
        self.heard: list[str] = []

    async def on_message_impl(self, message: Any, ctx: Any) -> Any:
        self.heard.append(message.text)
        if message.text == "exit":
            raise Leaving
        return message.text


class Leaving(BaseException):
    pass


class Changing(DefaultInterventionHandler):
    def __init__(self, change: Any) -> None:
        self.change = change

    async def on_send(self, message: Any, *, message_context: Any, recipient: Any) -> Any:
        return self.change(message)


async def runtime_with(*handlers: Any, **options: Any) -> SingleThreadedAgentRuntime:
    runtime = SingleThreadedAgentRuntime(intervention_handlers=list(handlers), **options)
    await Notes.register(runtime, "notes", Notes)
    return runtime


ONE = AgentId("notes", "one")


async def test_interventions_each_get_what_the_one_before_returned() -> None:
    runtime = await runtime_with(Changing(lambda m: Say(m.text + "1")), Changing(lambda m: Say(m.text + "2")))
    runtime.start()

    answer = await runtime.send_message(Say("x"), ONE)

    await runtime.stop()
    assert answer == "x12"


async def test_what_an_intervention_drops_or_breaks_on_does_not_keep_the_runtime_busy() -> None:
    def drop_or_raise(message: Say) -> Any:
        if message.text == "raise":
            raise KeyError(message.text)
        return DropMessage

    runtime = await runtime_with(Changing(drop_or_raise))
    runtime.start()
    with pytest.raises(MessageDroppedException):
        await runtime.send_message(Say("drop"), ONE)
    with pytest.raises(KeyError):
        await runtime.send_message(Say("raise"), ONE)

    async with asyncio.timeout(60):
        await runtime.stop_when_idle()


async def test_two_subscriptions_that_name_one_agent_deliver_once() -> None:
    runtime = await runtime_with()
    await runtime.add_subscription(TypeSubscription("news", "notes"))
    await runtime.add_subscription(TypePrefixSubscription("ne", "notes"))
    runtime.start()

    await runtime.publish_message(Say("x"), TopicId("news", "one"))
    await runtime.stop_when_idle()

    assert (await runtime.try_get_underlying_agent_instance(ONE, Notes)).heard == ["x"]


async def test_an_agent_that_cannot_be_made_keeps_the_message_from_no_other(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Notes:
        raise KeyError("broken")

    runtime = SingleThreadedAgentRuntime()
    await runtime.register_factory("broken", broken)
    await Notes.register(runtime, "notes", Notes)
    for kind in ["broken", "nobody", "notes"]:
        await runtime.add_subscription(TypeSubscription("news", kind))
    runtime.start()

    await runtime.publish_message(Say("x"), TopicId("news", "one"))
    await runtime.stop_when_idle()

    assert (await runtime.try_get_underlying_agent_instance(ONE, Notes)).heard == ["x"]
    assert {record.levelno for record in caplog.records} == {logging.ERROR}


async def test_who_waits_for_an_answer_is_told_of_the_stop() -> None:
    runtime = await runtime_with()
    waiting = asyncio.ensure_future(runtime.send_message(Say("x"), ONE))
    await asyncio.sleep(0)
    runtime.start()

    await runtime.stop()

    with pytest.raises(UndeliverableException) as caught:
        await waiting
    assert caught.value.reason == "stopped"


async def test_an_exception_beyond_exception_reaches_the_sender() -> None:
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    runtime = await runtime_with()
    runtime.start()

    with pytest.raises(Leaving):
        await runtime.send_message(Say("exit"), ONE)

    await runtime.stop()


async def test_factories_may_take_the_runtime_and_the_id() -> None:
    runtime = SingleThreadedAgentRuntime()
    given: list[Any] = []

    def make(of: Any, id: AgentId) -> Notes:
        given.append((of, id))
        return Notes()

    with pytest.warns(DeprecationWarning, match="AgentInstantiationContext"):
        await runtime.register_factory("old", make)
    await runtime.get("old", "k", lazy=False)

    assert given == [(runtime, AgentId("old", "k"))]
    with pytest.raises(ConfigError, match="no arguments, not 1"):
        await runtime.register_factory("one", lambda id: Notes())


async def test_an_agent_asked_for_twice_at_once_is_made_once() -> None:
    runtime = SingleThreadedAgentRuntime()
    made: list[Notes] = []

    async def slowly() -> Notes:
        await asyncio.sleep(0)
        made.append(Notes())
        return made[-1]

    await runtime.register_factory("slow", slowly)
    runtime.start()

    await asyncio.gather(*(runtime.send_message(Say("x"), AgentId("slow", "k")) for _ in range(3)))

    await runtime.stop()
    assert len(made) == 1


def test_a_callback_may_ask_its_token() -> None:
    token = CancellationToken()
    seen: list[bool] = []
    token.add_callback(lambda: seen.append(token.is_cancelled()))

    token.cancel()

    assert seen == [True]


def test_tool_errors_are_ordinary_exceptions_that_say_what_happened() -> None:
    error = ToolException("1", "no such tool", "find")

    assert isinstance(error, Exception)
    assert str(error) == "no such tool"


async def test_a_subscription_that_raises_is_told_and_keeps_nobody_waiting(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(TypeSubscription):
        def is_match(self, topic_id: TopicId) -> bool:
            raise KeyError("broken")

    runtime = await runtime_with(ignore_unhandled_exceptions=False)
    await runtime.add_subscription(Broken("news", "notes"))
    runtime.start()
    await runtime.publish_message(Say("x"), TopicId("news", "one"))

    with pytest.raises(KeyError, match="broken"):
        await runtime.stop_when_idle()

    assert "news/one" in caplog.text


async def test_agents_written_for_autogen_run_on_the_local_runtime_and_the_other_way_round() -> None:
    class Native(RoutedAgent):
        @message_handler
        async def on_say(self, message: Say, ctx: MessageContext) -> str:
            return f"{message.text} {self.id}"

    async with LocalRuntime() as local:
        await Notes.register(local, "notes", Notes)
        on_local = await local.send_message(Say("x"), ONE)
    runtime = SingleThreadedAgentRuntime()
    await Native.register(runtime, "native", lambda: Native("native"))
    runtime.start()
    on_view = await runtime.send_message(Say("x"), AgentId("native", "k"))
    await runtime.stop()

    assert (on_local, on_view) == ("x", "x native/k")


async def test_a_message_that_cannot_be_written_goes_on_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "autogen_core.events")
    runtime = await runtime_with()
    runtime.add_message_serializer(serializers_of(Say))
    runtime.start()

    answer = await runtime.send_message(Say(object()), ONE)  # pyright: ignore[reportArgumentType]: the point

    await runtime.stop()
    assert answer
    assert "Say cannot be written" in caplog.text


async def test_a_team_of_quorates_runs_on_the_runtime_of_the_view() -> None:
    runtime = SingleThreadedAgentRuntime()
    runtime.start()
    writer, critic = ScriptedModel(["one", "two"]), ScriptedModel(["hm"])
    team = RoundRobinGroupChat(
        [AssistantAgent("writer", writer), AssistantAgent("critic", critic)],
        termination_condition=MaxMessageTermination(4),
        runtime=runtime,
    )

    result = await team.run(task="go")
    await runtime.stop_when_idle()

    assert [message.content for message in result.messages] == ["go", "one", "hm", "two"]


# --- configuration ----------------------------------------------------------------------------------------------------


def test_what_a_configuration_names_is_never_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mean_module.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ConfigError, match="imports nothing"):
        ComponentLoader.load_component({"provider": "mean_module.Thing", "config": {}})

    assert "mean_module" not in sys.modules


@pytest.mark.parametrize("provider", ["AzureOpenAIChatCompletionClient", "autogen_ext.models.openai.Any", "os.system"])
def test_a_provider_that_is_not_here_is_refused(provider: str) -> None:
    with pytest.raises(ConfigError, match="is known"):
        ComponentLoader.load_component({"provider": provider, "config": {}})


def test_source_code_in_a_configuration_is_not_executed() -> None:
    def greet(name: str) -> str:
        return name

    data = FunctionTool(greet, "Greet.").dump_component()
    changed = json.loads(data.model_dump_json())
    changed["config"]["source_code"] = "raise SystemExit('executed')"

    with pytest.raises(ConfigError, match="executes no code"):
        FunctionTool.load_component(changed)

    assert FunctionTool.load_component(data).name == "greet"


# --- tools and contexts -----------------------------------------------------------------------------------------------


async def test_a_stream_honours_other_names_of_tools() -> None:
    async def double(x: int) -> int:
        return 2 * x

    bench = StaticStreamWorkbench([FunctionTool(double, "Double.")], {"double": ToolOverride(name="twice")})

    items = [item async for item in bench.call_tool_stream("twice", {"x": 2})]

    assert [item.to_text() for item in items] == ["4"]


async def test_a_call_that_is_cut_goes_with_its_results() -> None:
    class Client:
        def count_tokens(self, messages: Any, *, tools: Any = ()) -> int:
            return len(messages)

    call = AssistantMessage(content=[FunctionCall("1", "{}", "f")], source="a")
    result = FunctionExecutionResultMessage(content=[FunctionExecutionResult(content="r", name="f", call_id="1")])
    for before in range(4):
        for after in range(4):
            talk = [UserMessage(content="x", source="u")] * before
            talk += [call, result, *[UserMessage(content="y", source="u")] * after]
            for limit in range(1, len(talk) + 1):
                context = TokenLimitedChatCompletionContext(Client(), token_limit=limit, initial_messages=talk)

                shown = await context.get_messages()

                assert len(shown) <= limit
                assert (call in shown) == (result in shown)


def test_errors_are_of_quorates_family() -> None:
    assert issubclass(MessageDroppedException, QuorateError)
    assert MessageDroppedException().args == ("",)
