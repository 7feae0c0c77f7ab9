"""Whatever was said, and whatever a view leaves of it: what is sent is what the strictest provider takes.

`refusal` is that provider. Each of its rules is one of somebody's: OpenAI's, Anthropic's, Gemini's, Mistral's,
Bedrock's, or of a chat template behind vLLM or llama.cpp.
"""

import itertools
import json
import re
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate import (
    AssistantAgent,
    MaxMessageTermination,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
    tool,
)
from quorate.chat.agents.society import SocietyOfMindAgent
from quorate.compat.autogen.clients import asked_of
from quorate.compat.autogen.core.models import CreateResult, ModelFamily, RequestUsage
from quorate.compat.autogen.wire import messages_of
from quorate.models import (
    Blocks,
    ModelRequest,
    Reasoning,
    Reply,
    Said,
    ToolCall,
    ToolResult,
    ToolSpec,
    in_order,
)
from quorate.models.blocks import Block, Summary
from quorate.models.call_ids import ANTHROPIC, MISTRAL, OPENAI
from quorate.models.context import (
    BufferedChatCompletionContext,
    HeadAndTailChatCompletionContext,
    ModelContext,
    TokenLimitedChatCompletionContext,
    UnboundedChatCompletionContext,
)
from quorate.models.image import Image
from quorate.models.openai import to_wire
from quorate.models.prompt import messages as prompt_of
from quorate.models.views import (
    Chain,
    FromSources,
    MessageFilterConfig,
    OwnSide,
    PerSourceFilter,
    Pinned,
    Summarized,
)
from quorate.testing import ScriptedModel

Wire = dict[str, Any]
LOOK = ToolSpec("look", "Look.", '{"type": "object", "properties": {}}')
DOTTED = ToolSpec("files.look", "Look.", '{"type": "object", "properties": {}}')
PICTURE = Image(b"\x89PNG\r\n\x1a\n" + bytes(4))
NEXT = {
    "user": {"assistant", "calls"},
    "assistant": {"user"},
    "calls": {"tool"},
    "tool": {"tool", "assistant", "calls"},
}


def refusal(messages: Sequence[Wire], offered: Sequence[str] = (), call_ids: str = ".*") -> str:
    """Return why the strictest provider refuses messages, empty if it takes them."""
    json.dumps(messages, ensure_ascii=False).encode()
    system = [message for message in messages if message["role"] == "system"]
    said = messages[len(system) :]
    if system and (len(system) > 1 or messages[0] is not system[0] or is_blank(system[0]["content"])):
        return "one instruction, with words, at the beginning"
    if not said or said[0]["role"] != "user":
        return "a user begins"
    if said[-1]["role"] not in {"user", "tool"}:
        return "a user or results end"
    kinds = ["calls" if message.get("tool_calls") else message["role"] for message in said]
    for one, other in itertools.pairwise(kinds):
        if other not in NEXT[one]:
            return f"no {other} after {one}"
    asked: list[str] = []
    seen: list[str] = []
    for kind, message in zip(kinds, said, strict=True):
        content = message["content"]
        if isinstance(content, list):
            if any(is_blank(part["text"]) for part in content if part["type"] == "text"):
                return "a part is blank"
        elif is_blank(content) and not (kind == "calls" and content is None):
            return f"{kind} is blank"
        if kind == "tool":
            if not asked or asked.pop(0) != message["tool_call_id"]:
                return "a result without its call"
        elif asked:
            return "a call without its result"
        for call in message.get("tool_calls", ()):
            function = call["function"]
            if not offered:
                return "calls, and no tools"
            if not (re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", function["name"]) or function["name"] in offered):
                return f"the name {function['name']!r}"
            if not isinstance(json.loads(function["arguments"], parse_constant=refused), dict):
                return "arguments are no object"
            if not re.fullmatch(call_ids, call["id"], re.DOTALL):
                return f"the id {call['id']!r}"
            asked.append(call["id"])
            seen.append(call["id"])
    if not all(seen) or len(seen) > len(set(seen)):
        return "an id twice, or none"
    return "a call without its result" if asked else ""


def is_blank(content: Any) -> bool:
    return not (isinstance(content, str) and content.strip())


def refused(constant: str) -> None:
    raise ValueError(constant)


# -- random conversations, and what views leave of them ---------------------------------------------------------------

sizes = st.integers(1, 6)
texts = st.sampled_from(["", " \n", "Yes.", "What is it?", "你好", "file\udcff.txt", "\ud83d\ude00"])
sources = st.sampled_from(["user", "ann", "作家"])
OF_OPENAI, OF_MISTRAL = "call_4kzRLTgfGk1C0Gnq6cZ0a8vB", "D681PevKs"
ids = st.sampled_from(
    [
        "a",
        "b",
        "",
        "\ud83d",
        "call00000",
        "call00001",
        "functions.look:0",
        OF_OPENAI,
        OF_MISTRAL,
        "i" * 41,
        "D681PevK\n",
    ]
)
taken = st.sampled_from([MISTRAL, ANTHROPIC, OPENAI])
names = st.sampled_from(["look", "files.look", "no such!", "", "x" * 70])
arguments = st.sampled_from(["{}", '{"n": 1}', "", "[1]", "null", '{"n": NaN}', '{"n": ', '{"s": "\ud83d"}'])
parts = st.lists(st.one_of(texts, st.just(PICTURE)), max_size=3).map(tuple)
calls = st.lists(st.tuples(ids, names, arguments).map(lambda found: ToolCall(*found)), max_size=3).map(tuple)
things_said = st.tuples(texts, sources, st.one_of(st.just(()), parts)).map(
    lambda found: Said(found[0], found[1], parts=found[2])
)


@st.composite
def replies(draw: st.DrawFn) -> Reply:
    """Draw replies: most with a result for each call, some with fewer, with more, or with others."""
    asked = draw(calls)
    results = [ToolResult(call.id, call.name, draw(texts), draw(st.booleans())) for call in asked]
    if draw(st.integers(0, 3)) == 0:
        results = draw(st.permutations([*results, ToolResult("z", "look", draw(texts))]))[draw(st.integers(0, 2)) :]
    return Reply(draw(texts), asked, draw(st.sampled_from([(), (Reasoning("Hm."),)])), tuple(results))


blocks: st.SearchStrategy[Block] = st.one_of(things_said, replies())
histories = st.lists(blocks, max_size=12).map(Blocks)


plain: st.SearchStrategy[ModelContext] = st.one_of(
    st.just(UnboundedChatCompletionContext()),
    st.builds(BufferedChatCompletionContext, sizes),
    st.builds(HeadAndTailChatCompletionContext, sizes, sizes),
    st.builds(TokenLimitedChatCompletionContext, st.integers(1, 60), st.integers(0, 3)),
    st.builds(OwnSide, st.integers(0, 2)),
    st.builds(FromSources, st.lists(sources, max_size=2)),
    st.builds(MessageFilterConfig, st.lists(st.builds(PerSourceFilter, sources, st.just("last"), sizes), max_size=2)),
)
views = st.recursive(
    plain,
    lambda inner: st.one_of(st.builds(Chain, st.lists(inner, max_size=3)), st.builds(Pinned, inner, st.integers(0, 3))),
    max_leaves=4,
)


@st.composite
def requests(draw: st.DrawFn) -> ModelRequest:
    """Draw requests: a conversation, or what stands for its older part and the rest, as a view shows it."""
    history = draw(histories)
    if draw(st.booleans()):
        head = draw(st.integers(0, len(history)))
        history = Summary(draw(texts), "ann", head=head, upto=draw(st.integers(head, len(history)))).put_into(history)
    system = draw(st.sampled_from([None, "", " ", "Be brief.", "Be brief\ud83d."]))
    return ModelRequest(draw(views).view(history), system, draw(st.sampled_from([(), (LOOK,), (LOOK, DOTTED)])))


@given(requests(), st.booleans(), taken)
def test_what_a_server_is_sent_is_taken_by_the_strictest(request: ModelRequest, vision: bool, call_ids: str) -> None:
    body = to_wire(request, "m", vision=vision, call_ids=call_ids)

    assert not refusal(body["messages"], [spec.name for spec in request.tools], call_ids)


@given(requests(), taken)
def test_ids_that_are_taken_stay_as_they_are_and_others_become_the_same_each_time(
    request: ModelRequest, call_ids: str
) -> None:
    def first_of_each(blocks: Sequence[Block]) -> list[str]:
        return list(dict.fromkeys(call.id for block in blocks if isinstance(block, Reply) for call in block.calls))

    made = "call0"  # of an id that was there before
    given = [id for id in first_of_each(in_order(request)) if re.fullmatch(call_ids, id) and not id.startswith(made)]
    sent = first_of_each(in_order(request, call_ids=call_ids))

    assert [id for id in sent if id in given] == given
    assert sent == first_of_each(in_order(request, call_ids=call_ids))


@given(requests())
def test_what_a_local_model_is_shown_is_taken_by_the_strictest_template(request: ModelRequest) -> None:
    assert not refusal(prompt_of(request, request.tools))


class Hearing:
    """A client as AutoGen's are, which keeps what it is sent."""

    def __init__(self, vision: bool, family: str = "unknown") -> None:
        self.model_info, self.sent = {"vision": vision, "family": family}, list[Any]()

    async def create_stream(self, messages: Sequence[Any], **options: Any) -> AsyncIterator[CreateResult]:
        self.sent = list(messages)
        yield CreateResult(finish_reason="stop", content="ok", usage=RequestUsage(1, 1), cached=False)


@given(requests(), st.booleans())
async def test_what_a_client_of_autogens_is_sent_is_taken_by_the_strictest(request: ModelRequest, vision: bool) -> None:
    client: Any = Hearing(vision, ModelFamily.PIXTRAL)

    async for _ in asked_of(client, request):
        pass

    sent = messages_of(client.sent, names=False, prefixes=True, many=False)
    assert not refusal(sent, [spec.name for spec in request.tools], MISTRAL)


@given(requests())
def test_nothing_that_was_said_is_lost_and_nothing_changes_its_place(request: ModelRequest) -> None:
    said = [block.text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for block in request.blocks]

    messages = to_wire(request, "m")["messages"]
    sent = "\n".join(str(message["content"]) for message in messages if message["role"] != "system")

    at = 0
    for text in said:
        if text.strip():
            assert (at := sent.find(text, at) + len(text)) >= len(text), text


@given(requests())
def test_what_is_asked_stays_as_it_is_and_is_put_in_order_the_same_each_time(request: ModelRequest) -> None:
    before, digest = list(request.blocks), request.blocks.digest(lambda data: str(hash(data)))

    first, again = to_wire(request, "m"), to_wire(ModelRequest(Blocks(before), request.system, request.tools), "m")

    assert first == again == to_wire(request, "m")
    assert all(one is other for one, other in zip(before, request.blocks, strict=True))
    assert Blocks(before).digest(lambda data: str(hash(data))) == digest


# -- each rule --------------------------------------------------------------------------------------------------------

RESULT = ToolResult("a", "look", "A tree.")
LOOKED = Reply("", (ToolCall("a", "look", "{}"),)).answered([RESULT])
LOOKED_ON = (LOOKED.calls, LOOKED.reasoning, LOOKED.results)


def ordered(*blocks: Block, tools: Sequence[ToolSpec] = (LOOK,), **more: Any) -> list[Block]:
    return in_order(ModelRequest(Blocks(blocks), tools=tuple(tools)), **more)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ([], [Said("Go on.")]),
        ([Reply("One.")], [Said("Go on."), Reply("One."), Said("Go on.")]),
        ([LOOKED], [Said("Go on."), LOOKED]),
        ([Said("Hi."), Said("Hello.", "ann")], [Said("Hi.\n\nann: Hello.")]),
        ([Said("Hi."), Reply("One."), Reply("Two."), Said("So?")], [Said("Hi."), Reply("One.\n\nTwo."), Said("So?")]),
        ([Said("Hi."), LOOKED, Reply("A tree."), Said("So?")], [Said("Hi."), LOOKED, Reply("A tree."), Said("So?")]),
        ([Said("Hi."), LOOKED, Said("So?")], [Said("Hi."), LOOKED, Reply("Noted."), Said("So?")]),
        ([Said("Hi."), Reply(" \n"), Said(""), Said("So?")], [Said("Hi.\n\nSo?")]),
        ([Said("Hi."), Reply("Let me see."), LOOKED], [Said("Hi."), Reply("Let me see.", *LOOKED_ON)]),
        ([Said("", "ann")], [Said("", "ann")]),
        ([Said(" ", parts=(PICTURE,))], [Said("(empty)", parts=(PICTURE,))]),
        ([Said("\udcff")], [Said("\ufffd")]),
        ([Said("\ud83d\ude00")], [Said("😀")]),
    ],
    ids=lambda blocks: " ".join(f"{type(block).__name__}" for block in blocks),
)
def test_what_is_said_and_replies_come_in_turn(given: list[Block], sent: list[Block]) -> None:
    assert ordered(*given) == sent


def test_a_reply_takes_in_the_calls_of_the_next_one() -> None:
    thoughts = Reasoning("Hm."), Reasoning("Aha.")
    first, second = (Reply(text, (), (thought,)) for text, thought in zip(("One.", "Two."), thoughts, strict=True))

    found = ordered(Said("Hi."), first, second, LOOKED)

    assert found[1:] == [Reply("One.\n\nTwo.", LOOKED.calls, thoughts, LOOKED.results)]


def test_a_call_without_a_result_is_told_that_there_is_none_and_a_result_without_a_call_is_said() -> None:
    asked = Reply("", (ToolCall("a", "look", "{}"), ToolCall("b", "look", "{}")))
    odd = asked.answered([ToolResult("b", "look", "A tree."), ToolResult("z", "look", "No.", True)])

    found = ordered(Said("Hi."), odd)

    assert found[1:] == [
        asked.answered([ToolResult("a", "look", "There is no result.", True), ToolResult("b", "look", "A tree.")]),
        Reply("Noted."),
        Said("Error: No."),
    ]


def test_an_id_that_was_used_becomes_another_with_its_result() -> None:
    first, second, third = (block for block in ordered(Said("Hi."), LOOKED, LOOKED, LOOKED) if isinstance(block, Reply))

    assert first is LOOKED
    assert [second.calls[0].id, third.calls[0].id] == ["call00001", "call00002"]
    assert [second.results[0].call_id, third.results[0].call_id] == ["call00001", "call00002"]


def test_an_id_that_is_not_taken_is_the_same_in_call_and_result_and_in_each_request_whatever_is_before_it() -> None:
    def looked(id: str) -> Reply:
        return Reply("", (ToolCall(id, "look", "{}"),)).answered([ToolResult(id, "look", "A tree.")])

    kept = looked(OF_MISTRAL)
    first = ordered(Said("Hi."), looked(OF_OPENAI), kept, looked("functions.look:0"), call_ids=MISTRAL)
    later = ordered(Said("Hi."), looked("functions.look:0"), looked("functions.look:0"), call_ids=MISTRAL)

    found = [(b.calls[0].id, b.results[0].call_id) for b in (*first, *later) if isinstance(b, Reply)]
    assert first[2] is kept
    assert found == [
        ("f38139d0f", "f38139d0f"),
        (OF_MISTRAL, OF_MISTRAL),
        ("a1baad4c4", "a1baad4c4"),
        ("a1baad4c4", "a1baad4c4"),
        ("call00001", "call00001"),
    ]


@pytest.mark.parametrize(
    ("name", "sent"),
    [("files.look", "files.look"), ("files.see", "files_see"), ("", "unnamed"), ("x" * 70, "x" * 64)],
)
def test_a_name_that_a_model_made_up_is_one_that_providers_take(name: str, sent: str) -> None:
    called = Reply("", (ToolCall("a", name, "{}"),)).answered([ToolResult("a", name, "No such tool.", True)])

    (_, found) = ordered(Said("Hi."), called, tools=(LOOK, DOTTED))

    assert isinstance(found, Reply)
    assert (found.calls[0].name, found.results[0].name) == (sent, sent)


@pytest.mark.parametrize("text", ['{"n": 1', "[1]", '"n"', '{"n": NaN}', '{"n": [' * 50_000])
def test_arguments_that_are_no_object_are_shown_in_one(text: str) -> None:
    called = Reply("", (ToolCall("a", "look", text),)).answered([RESULT])

    (_, found) = ordered(Said("Hi."), called)

    assert isinstance(found, Reply)
    assert json.loads(found.calls[0].arguments) == {"not_json": text}


def test_calls_are_text_where_no_tools_are_offered() -> None:
    looked = Reply("I look.", (ToolCall("a", "look", '{"n": 1}'),)).answered([RESULT])

    found = ordered(Said("Hi."), looked, Said("So?"), tools=())

    assert found == [Said("Hi."), Reply('I look.\nCall: look {"n": 1}'), Said("Result: A tree.\n\nSo?")]
    assert ordered(Said("Hi."), looked, Said("So?"), tools=(), tool_role=False)[1] is looked


def test_a_client_that_writes_results_out_itself_is_given_no_reply_after_them() -> None:
    given = [Said("Hi."), LOOKED, Said("So?")]

    assert ordered(*given, tool_role=False) == given


def test_what_is_fine_stays_the_same_and_does_not_hold_itself() -> None:
    given = [Said("Hi."), LOOKED, Reply("A tree."), Said("So?", parts=("So?", PICTURE))]

    found = [ordered(*given) for _ in range(2)]

    assert all(one is other for again in found for one, other in zip(again, given, strict=True))
    assert all(block.wire == {"mended": None} for block in given[2:])


def test_images_of_neighbours_are_shown_in_their_places() -> None:
    request = ModelRequest(Blocks([Said("Look:"), Said("[image]", "ann", parts=(" ", PICTURE))]))

    (message,) = to_wire(request, "m", vision=True)["messages"]

    assert message["content"] == [
        {"type": "text", "text": "Look:"},
        {"type": "text", "text": "ann:"},
        {"type": "image_url", "image_url": {"url": PICTURE.data_uri}},
    ]


# -- in teams ---------------------------------------------------------------------------------------------------------


class Strict(ScriptedModel):
    """A model of the strictest provider."""

    def stream(self, request: ModelRequest) -> Any:
        offered = [spec.name for spec in request.tools]
        for messages in (to_wire(request, "m")["messages"], to_wire(request, "m", vision=True)["messages"]):
            assert not refusal(messages, offered)
        assert not refusal(prompt_of(request, request.tools))
        return super().stream(request)


@tool(effect="read")
async def look(where: str) -> str:
    """Look somewhere."""
    return {"box": "", "desk": "A \udcff pen."}[where]


LINES: list[Any] = [
    "",
    ToolCall("a", "look", '{"where": "box"}'),
    "Nothing there.",
    [ToolCall("a", "look", '{"where": "desk"}'), ToolCall("a", "find it!", '{"where": ')],
    " ",
    ToolCall("", "look", '{"where": "moon"}'),
]
CONTEXTS = [
    None,
    BufferedChatCompletionContext(1),
    BufferedChatCompletionContext(3),
    HeadAndTailChatCompletionContext(1, 1),
    TokenLimitedChatCompletionContext(20, 0),
    OwnSide(0),
    FromSources([]),
    MessageFilterConfig(),
    Chain([OwnSide(1), BufferedChatCompletionContext(2)]),
    Summarized(1, keep_last=1, head_size=0),
]


def talker(name: str, context: Any, **more: Any) -> AssistantAgent:
    model = Strict([line for _ in range(20) for line in LINES])
    return AssistantAgent(name, model, tools=[look], model_context=context, description=name, **more)


def in_turn(context: Any) -> Any:
    members = [talker("ann", context), talker("ben", context, reflect_on_tool_use=False)]
    return RoundRobinGroupChat(members, termination_condition=MaxMessageTermination(9))


def alone(context: Any) -> Any:
    return RoundRobinGroupChat([talker("ann", context)], termination_condition=MaxMessageTermination(9))


def handing_over(context: Any) -> Any:
    other = {"ann": "ben", "ben": "ann"}
    lines = ["", ToolCall("a", "look", "{}"), ToolCall("a", "transfer_to_{}", "{}"), "Done."]

    def member(name: str) -> AssistantAgent:
        given = [
            ToolCall(line.id, line.name.format(other[name]), "{}") if isinstance(line, ToolCall) else line
            for line in lines * 20
        ]
        return AssistantAgent(name, Strict(given), tools=[look], handoffs=[other[name]], model_context=context)

    return Swarm([member("ann"), member("ben")], termination_condition=MaxMessageTermination(12))


def chosen(context: Any) -> Any:
    context_of_all = None if isinstance(context, Summarized) else context
    picking = Strict(['{"speaker": "ann"}', "nobody", '{"speaker": "ben"}'] * 20)
    return SelectorGroupChat(
        [talker("ann", context), talker("ben", context)],
        picking,
        termination_condition=MaxMessageTermination(9),
        model_context=context_of_all,
    )


def inside(context: Any) -> Any:
    context_of_all = None if isinstance(context, Summarized) else context
    team = in_turn(context)
    return SocietyOfMindAgent("mind", team, Strict(["", "So."] * 9), model_context=context_of_all)


@pytest.mark.parametrize("context", CONTEXTS, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("make", [in_turn, alone, handing_over, chosen, inside])
@pytest.mark.parametrize("task", ["What is there?", ""])
async def test_no_request_of_a_team_is_refused(make: Callable[[Any], Any], context: Any, task: str) -> None:
    team = make(context)

    for _ in range(2):
        result = await team.run(task=task)

    assert result.messages
