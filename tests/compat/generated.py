"""Random talks in AutoGen's words: teams, agents, scripts and conditions made from a seed.

    python tests/compat/generated.py SEED       # prints what happens
    python tests/compat/generated.py            # prints a line for each of the 200 that are compared

Only what the documentation does not list as different is made.
"""

import asyncio
import hashlib
import io
import random
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

COUNT = 200
NAMES = ("ann", "bob", "cy", "dee")
WORDS = ("sea", "wind", "salt", "ship", "rope", "APPROVE", "reef", "tide")


class Maker:
    """Makes the parts of one talk."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def words(self) -> str:
        return " ".join(self.random.choices(WORDS, k=self.random.randint(1, 5)))

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def answers(self, others: list[str], *, hands_over: bool) -> list[Any]:
        from scenes import calls, thinks

        found: list[Any] = []
        for _ in range(60):
            kind = self.random.random()
            if kind < 0.45:
                found.append(self.words())
            elif kind < 0.6:
                found.append(thinks(self.words(), self.words()))
            else:
                made = [self.call(others, hands_over=hands_over) for _ in range(self.random.randint(1, 3))]
                found.append(calls(*made, thought=self.words() if self.chance(0.4) else None))
        return found

    def call(self, others: list[str], *, hands_over: bool) -> tuple[str, str]:
        if hands_over and self.chance(0.5):
            return f"transfer_to_{self.random.choice(others)}", "{}"
        return self.random.choice(
            [("add", '{"a": 1, "b": 2}'), ("fail", '{"why": "so"}'), ("nope", "{}"), ("add", '{"a": ')]
        )

    def agent(self, name: str, names: list[str], kind: str) -> Any:
        from autogen_agentchat.agents import AssistantAgent, UserProxyAgent
        from autogen_core.model_context import BufferedChatCompletionContext, HeadAndTailChatCompletionContext
        from autogen_ext.models.replay import ReplayChatCompletionClient
        from scenes import ABLE, Echo, add, fail

        others = [other for other in names if other != name]
        drawn = self.random.random()
        if kind != "swarm" and drawn < 0.3:
            return Echo(name, [self.words() for _ in range(3)])
        if kind != "swarm" and drawn < 0.4:
            typed = iter([self.words() for _ in range(60)])
            return UserProxyAgent(name, input_func=lambda prompt: next(typed))
        hands_over = kind == "swarm"
        options: dict[str, Any] = {"tools": [add, fail], "system_message": self.random.choice([None, "Be brief."])}
        if hands_over:
            options["handoffs"] = others
        if self.chance(0.4):
            options["max_tool_iterations"] = self.random.randint(1, 3)
        if self.chance(0.3):
            options["model_client_stream"] = True
        if self.chance(0.3):
            options["tool_call_summary_format"] = "{tool_name}: {result}"
        if self.chance(0.25):
            context = self.random.choice(
                [BufferedChatCompletionContext(buffer_size=3), HeadAndTailChatCompletionContext(1, 3)]
            )
            options["model_context"] = context
        client = ReplayChatCompletionClient(self.answers(others, hands_over=hands_over), ABLE)
        return AssistantAgent(name, client, description=self.words(), **options)

    def condition(self, names: list[str], deep: int = 2) -> Any:
        from autogen_agentchat import conditions as c

        if deep and self.chance(0.5):
            left, right = self.condition(names, deep - 1), self.condition(names, deep - 1)
            return left | right if self.chance(0.6) else left & right
        return self.random.choice(
            [
                lambda: c.MaxMessageTermination(self.random.randint(1, 9)),
                lambda: c.MaxMessageTermination(self.random.randint(1, 9), include_agent_event=True),
                lambda: c.TextMentionTermination(self.random.choice(WORDS)),
                lambda: c.TextMentionTermination(self.random.choice(WORDS), sources=self.random.sample(names, 1)),
                lambda: c.TokenUsageTermination(max_total_token=self.random.randint(5, 80)),
                lambda: c.SourceMatchTermination([self.random.choice(names)]),
                lambda: c.TextMessageTermination(self.random.choice([None, *names])),
                lambda: c.HandoffTermination(self.random.choice(names)),
                lambda: c.FunctionCallTermination("add"),
                lambda: c.StopMessageTermination(),
                lambda: c.FunctionalTermination(self.many()),
            ]
        )()

    def many(self) -> Any:
        most = self.random.randint(1, 4)
        return lambda new: len(new) >= most

    def team(self, kind: str, names: list[str]) -> Any:
        from autogen_agentchat.teams import RoundRobinGroupChat, SelectorGroupChat, Swarm
        from scenes import model

        members = [self.agent(name, names, kind) for name in names]
        options: dict[str, Any] = {"max_turns": self.random.randint(1, 7), "emit_team_events": self.chance(0.3)}
        if self.chance(0.75):
            options["termination_condition"] = self.condition(names)
        if kind == "swarm":
            return Swarm(members, **options)
        if kind == "selector":
            options["allow_repeated_speaker"] = True
            choices = [self.random.choice(names) for _ in range(80)]
            if self.chance(0.3):
                options["candidate_func"] = lambda messages: [names[len(messages) % len(names)]]
            return SelectorGroupChat(members, model(*choices), selector_prompt="{history}", **options)
        return RoundRobinGroupChat(members, **options)


async def talk(seed: int) -> None:
    """Make a team, give it two or three tasks, save it, load another one with its state, and go on."""
    from autogen_agentchat.messages import HandoffMessage, TextMessage
    from scenes import numbers, state, stream

    numbers.clear()
    make = Maker(seed)
    kind = make.random.choice(["round robin", "round robin", "selector", "swarm"])
    names = list(NAMES[: make.random.randint(2, 4)])
    print("seed", seed, kind, names)
    team = make.team(kind, names)
    for _ in range(make.random.randint(1, 3)):
        task: Any = make.random.choice(
            [make.words(), TextMessage(content=make.words(), source="user"), [TextMessage(content="a", source="eve")]]
        )
        if kind == "swarm" and make.chance(0.3):
            task = HandoffMessage(content="yours", source="user", target=make.random.choice(names))
        await stream(team, task, output_task_messages=make.chance(0.8))
    await state(team)
    if make.chance(0.4):
        await team.reset()
        await state(team)
        await stream(team, make.words())
    if make.chance(0.5):
        saved = await team.save_state()
        other = Maker(seed + 1000).team(kind, names) if kind != "selector" else team
        await other.load_state(saved)
        await stream(other, make.words())
        await state(other)


def played(seed: int) -> str:
    """Return what happens in the talk of a seed, as text."""
    out = io.StringIO()
    with redirect_stdout(out):
        asyncio.run(talk(seed))
    return out.getvalue()


def line(seed: int) -> str:
    """Return a short line for a talk: how long what it prints is, and a digest of it."""
    text = played(seed)
    digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    return f"{seed} {text.splitlines()[0].split(maxsplit=2)[2]} {text.count(chr(10))} {digest}"


if __name__ == "__main__":
    given = sys.argv[1:]
    if given and given[0] != "--step":
        print(played(int(given[0])), end="")
    else:
        for seed in range(0, COUNT, int(given[1]) if given else 1):
            print(line(seed))
