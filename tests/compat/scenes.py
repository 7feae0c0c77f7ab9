"""What the programs about AutoGen's chat have in common: agents, models, and how what happens is printed.

What differs from run to run (ids, times) is numbered or left out; what the documentation lists as different (texts of
errors, extra fields) is not printed.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

from autogen_agentchat.agents import BaseChatAgent
from autogen_agentchat.base import Response, TaskResult
from autogen_agentchat.messages import HandoffMessage, TextMessage, ThoughtEvent
from autogen_core import FunctionCall
from autogen_core.models import CreateResult, ModelInfo, RequestUsage
from autogen_ext.models.replay import ReplayChatCompletionClient

ABLE = ModelInfo(vision=False, function_calling=True, json_output=True, family="unknown", structured_output=True)
NOT_COMPARED = {"created_at", "attempt", "description"}
"""Times; a field that only Quorate has; and what a class's docstring says, which are our own words."""
numbers: dict[str, str] = {}


def model(*answers: Any, **info: Any) -> ReplayChatCompletionClient:
    """Return a model that gives these answers."""
    return ReplayChatCompletionClient(list(answers), ModelInfo(**{**ABLE, **info}))


def calls(*made: tuple[str, str], thought: str | None = None) -> CreateResult:
    """Return an answer that asks for calls: names and arguments."""
    content = [FunctionCall(id=f"c{at}", name=name, arguments=given) for at, (name, given) in enumerate(made)]
    usage = RequestUsage(prompt_tokens=3, completion_tokens=4)
    return CreateResult(finish_reason="function_calls", content=content, usage=usage, cached=False, thought=thought)


def thinks(text: str, thought: str) -> CreateResult:
    """Return an answer with a thought."""
    usage = RequestUsage(prompt_tokens=5, completion_tokens=6)
    return CreateResult(finish_reason="stop", content=text, usage=usage, cached=False, thought=thought)


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def fail(why: str) -> str:
    """Fail."""
    raise ValueError(why)


class Echo(BaseChatAgent):
    """Says what it was told, the sources and the beginnings."""

    def __init__(self, name: str, words: Sequence[Any] = ("x",), kind: Any = TextMessage, **fields: Any) -> None:
        super().__init__(name, f"Echoes as {name}.")
        self.words, self.kind, self.fields, self.times = list(words), kind, fields, 0

    @property
    def produced_message_types(self) -> Any:
        return [self.kind]

    async def on_messages(self, messages: Any, cancellation_token: Any) -> Response:
        self.times += 1
        word = self.words[(self.times - 1) % len(self.words)]
        if isinstance(word, Exception):
            raise word
        if isinstance(word, tuple):
            return Response(chat_message=HandoffMessage(content="over", source=self.name, target=word[0]))
        heard = ",".join(f"{m.source}:{'over' if hasattr(m, 'target') else m.to_text()[:6]}" for m in messages)
        said = self.kind(content=f"{word}<{heard}>", source=self.name, **self.fields)
        inner = [ThoughtEvent(content=f"thought {self.times}", source=self.name)] if self.times % 2 == 0 else None
        return Response(chat_message=said, inner_messages=inner)

    async def on_reset(self, cancellation_token: Any) -> None:
        self.times = 0


class Passes(Echo):
    """Hands over to one after the other."""

    @property
    def produced_message_types(self) -> Any:
        return [HandoffMessage]


def plain(data: Any) -> Any:
    """Return data without what is not compared, ids numbered in their order."""
    if isinstance(data, dict):
        found = {}
        for key, value in data.items():
            if key in {"id", "full_message_id", "request_id"} and isinstance(value, str) and len(value) > 8:
                found[key] = numbers.setdefault(value, f"#{len(numbers)}")
            elif key not in NOT_COMPARED:
                found[key] = plain(value)
        return found
    return [plain(one) for one in data] if isinstance(data, list | tuple) else data


def tell(*things: Any) -> None:
    """Print things; data as JSON."""
    print(*[json.dumps(plain(t), sort_keys=True, default=str) if isinstance(t, dict | list) else t for t in things])


received: set[str] = set()
"""The names of the types of what streams have yielded, for `coverage.py`."""


def show(item: Any) -> None:
    """Print an item of a stream."""
    received.add(type(item).__name__.partition("[")[0])
    if isinstance(item, TaskResult):
        numbered = [numbers.setdefault(m.id, f"#{len(numbers)}") for m in item.messages]
        print("result", " ".join(numbered), repr(item.stop_reason))
    elif isinstance(item, Response):
        received.add(type(item.chat_message).__name__.partition("[")[0])
        print("response", plain(item.chat_message.dump()), len(item.inner_messages or ()))
    else:
        tell(item.dump())


async def stream(of: Any, *tasks: Any, **options: Any) -> None:
    """Run an agent or a team on tasks, and print all that comes."""
    for task in tasks:
        print("task", task if isinstance(task, str | None) else type(task).__name__)
        try:
            async for item in of.run_stream(task=task, **options):
                show(item)
        except BaseException as error:
            print("raised", family(error))


async def state(of: Any) -> None:
    """Print the state of an agent or a team."""
    tell("state", dict(await of.save_state()))


def asked(client: ReplayChatCompletionClient) -> None:
    """Print what a model was asked."""
    for call in client.create_calls:
        said = [(type(m).__name__, shown(m.content), getattr(m, "source", "")) for m in call["messages"]]
        tools = [tool["name"] if isinstance(tool, dict) else tool.name for tool in call["tools"]]
        print("asked", said, tools, getattr(call["json_output"], "__name__", call["json_output"]))


def shown(content: Any) -> Any:
    return content if isinstance(content, str) else [str(part) for part in content]


def family(error: BaseException) -> str:
    """Return the name of the first built-in class of an error: the classes themselves are each framework's own."""
    return next(cls.__name__ for cls in type(error).__mro__ if cls.__module__ in {"builtins", "asyncio.exceptions"})


def refused(make: Callable[[], Any]) -> None:
    """Print whether something can be made."""
    try:
        make()
    except Exception as error:
        print("refused", family(error))
    else:
        print("made")
