"""Teams with a planner: its ledgers, its rounds, what the members hear, what is saved.

The words of its prompts are each framework's own, so of a prompt only what was filled in is printed.
"""

import asyncio
import json

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import TaskResult
from autogen_agentchat.conditions import (
    ExternalTermination,
    FunctionalTermination,
    MaxMessageTermination,
    TextMentionTermination,
    TimeoutTermination,
)
from autogen_agentchat.messages import StopMessage, TextMessage
from autogen_agentchat.teams import MagenticOneGroupChat, RoundRobinGroupChat
from autogen_core import SingleThreadedAgentRuntime
from scenes import Echo, Passes, add, calls, family, model, numbers, plain, received, refused, shown, tell

PLANNER = "MagenticOneOrchestrator"
FILLED_IN = ("T-1", "T-2", "Echoes as ann.", "Echoes as bob.", "F-1", "P-1", "F-2", "P-2", "ann, bob")


def ledger(who="ann", say="do it", *, done=False, loops=False, moves=True, why="because") -> str:
    entries = {
        "is_request_satisfied": done,
        "is_in_loop": loops,
        "is_progress_being_made": moves,
        "next_speaker": who,
        "instruction_or_question": say,
    }
    return json.dumps({key: {"reason": why, "answer": answer} for key, answer in entries.items()})


def masked(data):
    """Return data with the planner's own words left out."""
    if isinstance(data, dict):
        return {key: masked(value) for key, value in data.items() if key != "prompt_tokens"}
    if isinstance(data, list | tuple):
        return [masked(one) for one in data]
    if isinstance(data, str) and ("F-1" in data or "F-2" in data) and len(data) > 9:
        return [text for text in FILLED_IN if text in data]
    return data


def asked(client) -> None:
    for call in client.create_calls:
        *before, prompt = call["messages"]
        said = [(type(m).__name__, masked(shown(m.content)), m.source) for m in before if m.source != PLANNER]
        own = [(type(m).__name__, m.source) for m in before if m.source == PLANNER]
        words = [text for text in FILLED_IN if text in prompt.content]
        wants = getattr(call["json_output"], "__name__", call["json_output"])
        print("asked", own, said, type(prompt).__name__, prompt.source, words, wants, len(call["tools"]))


async def play(team, *tasks, **options) -> None:
    for task in tasks:
        print("task", task if isinstance(task, str) else type(task).__name__)
        try:
            async for item in team.run_stream(task=task, **options):
                received.add(type(item).__name__)
                if isinstance(item, TaskResult):
                    numbered = [numbers.setdefault(m.id, f"#{len(numbers)}") for m in item.messages]
                    print("result", " ".join(numbered), repr(item.stop_reason))
                else:
                    tell(masked(plain(item.dump())))
        except BaseException as error:
            print("raised", family(error))


async def state(team) -> None:
    tell("state", masked(dict(await team.save_state())))


class Hears(Echo):
    """Says whom it has heard, and whether a ledger is among it."""

    async def on_messages(self, messages, cancellation_token):
        response = await super().on_messages(messages, cancellation_token)
        heard = ["ledger" if "F-1" in m.to_text() or "F-2" in m.to_text() else m.to_text() for m in messages]
        response.chat_message.content = f"{self.words[0]} {self.times} <{'|'.join(heard)}>"
        return response


def team(client, **options):
    return MagenticOneGroupChat([Hears("ann"), Hears("bob")], client, **options)


END = (ledger(done=True, why="all is there"), "the answer")


async def rounds() -> None:
    print("## rounds")
    one = model("F-1", "P-1", ledger(), ledger("bob", "you too"), ledger("bob"), *END, "F-1", "P-1", *END)
    crew = team(one)
    await play(crew, "T-1")
    await state(crew)
    await play(crew, [TextMessage(content="T-2", source="u"), TextMessage(content="and more", source="u")])
    asked(one)
    await state(crew)
    await crew.reset()
    await state(crew)
    print("# no progress, a loop, a new plan")
    stuck = model(
        *("F-1", "P-1", ledger(), ledger("bob", moves=False), ledger(loops=True), "F-2", "P-2"),
        *(ledger("bob", "anew"), ledger(moves=False), "F-2", "P-2", ledger("ann", "third"), *END),
    )
    crew = team(stuck, max_stalls=2)
    await play(crew, "T-1")
    asked(stuck)
    await state(crew)
    print("# a new plan at once, twice")
    no, new = ledger(moves=False), ("F-2", "P-2")
    await play(team(model("F-1", "P-1", no, *new, ledger(), *END), max_stalls=1), "T-1")
    await play(team(model("F-1", "P-1", no, no, *new, no, *new, ledger(), *new, ledger(), *END), max_stalls=2), "T-1")
    print("# rounds are over")
    crew = team(model("F-1", "P-1", ledger(), ledger("bob"), ledger(), "so far", "F-1", "P-1", "again"), max_turns=2)
    await play(crew, "T-1", "T-2")
    await state(crew)
    print("# done at once")
    await play(team(model("F-1", "P-1", *END), name="N", description="D"), "T-1")


async def answers() -> None:
    print("## what the model answers")
    for info in (
        {"structured_output": True},
        {"structured_output": False, "json_output": True},
        {"structured_output": False, "json_output": False},
    ):
        client = model("F-1", "P-1", "no json", ledger(), "[1]", f"```json\n{ledger(done=True)}\n```", "end", **info)
        await play(team(client), "T-1")
        asked(client)
    half = json.loads(ledger())
    del half["instruction_or_question"]
    await play(team(model("F-1", "P-1", json.dumps(half), ledger(), *END)), "T-1")
    print("# never")
    await play(team(model("F-1", "P-1", ledger(), *["no"] * 10)), "T-1")
    print("# a prompt of one's own")
    client = model("F-1", "P-1", *END)
    await play(team(client, final_answer_prompt="Answer {task}, as it is."), "T-1")
    print(client.create_calls[-1]["messages"][-1].content)
    print("# alone")
    client = model("F-1", "P-1", ledger("whoever"), *END)
    await play(MagenticOneGroupChat([Hears("ann")], client), "T-1")


async def stops() -> None:
    print("## conditions")
    for condition in (
        MaxMessageTermination(2),
        MaxMessageTermination(3, include_agent_event=True),
        TextMentionTermination("T-1"),
        TextMentionTermination("ledger", sources=["bob"]),
        TimeoutTermination(0),
        ExternalTermination(),
        FunctionalTermination(lambda new: len(new) == 2),
        FunctionalTermination(lambda new: False) & MaxMessageTermination(2) | MaxMessageTermination(3),
    ):
        print("#", type(condition).__name__)
        if isinstance(condition, ExternalTermination):
            condition.set()
        client = model(*["F-1", "P-1", ledger(), ledger("bob"), ledger(), ledger("bob"), *END][:6], *END)
        await play(team(client, termination_condition=condition), "T-1")
    crew = team(model(*["F-1", "P-1", ledger()] * 2), termination_condition=MaxMessageTermination(1))
    await play(crew, "T-1", "T-2")
    await state(crew)


async def members() -> None:
    print("## members")
    sums = model(calls(("add", '{"a": 1, "b": 2}'), thought="t"), "after the plan")
    doer = AssistantAgent("ann", sums, tools=[add], description="Echoes as ann.", system_message="Add.")
    client = model(
        "F-1", "P-1", ledger(), ledger("bob"), ledger(moves=False), "F-2", "P-2", ledger(), ledger("bob"), *END
    )
    crew = MagenticOneGroupChat(
        [doer, Hears("bob", kind=StopMessage)], client, max_stalls=1, emit_team_events=True, custom_message_types=[]
    )
    await play(crew, "T-1")
    asked(client)
    for call in sums.create_calls:
        print([(type(m).__name__, masked(shown(m.content))) for m in call["messages"]])
    await state(crew)
    print("# one that hands over")
    client = model("F-1", "P-1", ledger(), ledger("bob"), *END)
    await play(MagenticOneGroupChat([Passes("ann", [("bob",)]), Hears("bob")], client), "T-1")
    asked(client)
    print("# one that fails")
    await play(MagenticOneGroupChat([Echo("ann", [ValueError("bad")])], model("F-1", "P-1", ledger())), "T-1")
    runtime = SingleThreadedAgentRuntime()
    runtime.start()
    await play(team(model("F-1", "P-1", ledger(), ledger("bob"), *END), runtime=runtime), "T-1")
    await runtime.stop_when_idle()


async def saved() -> None:
    print("## saved and loaded")
    crew = team(model("F-1", "P-1", ledger(), ledger("bob")), termination_condition=MaxMessageTermination(2))
    await play(crew, "T-1")
    other = team(model("F-1", "P-1", ledger("bob", "go on"), *END))
    await other.load_state(await crew.save_state())
    await state(other)
    await play(other, "T-2")
    await state(other)
    agents = [AssistantAgent(name, model(), description="d", system_message="s") for name in ("ann", "bob")]
    whole = MagenticOneGroupChat(
        agents,
        model(),
        termination_condition=MaxMessageTermination(3),
        max_turns=5,
        max_stalls=2,
        final_answer_prompt="Answer.",
        emit_team_events=True,
    )
    data = whole.dump_component()
    tell(data.model_dump())
    print(MagenticOneGroupChat.load_component(data).dump_component().model_dump() == data.model_dump())
    for make in (
        lambda: MagenticOneGroupChat([], model()),
        lambda: MagenticOneGroupChat([Echo("a"), Echo("a")], model()),
        lambda: MagenticOneGroupChat([RoundRobinGroupChat([Echo("a")])], model()),
    ):
        refused(make)


async def main() -> None:
    for part in (rounds, answers, stops, members, saved):
        numbers.clear()
        await part()


asyncio.run(main())
