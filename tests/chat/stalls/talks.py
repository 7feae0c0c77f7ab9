"""Conversations made by dice: loops of twelve kinds, and healthy ones, to score stall detection with.

`Dice(seed, held_out=…)` draws words and phrases from one half of each list for tuning and from the other for the tests,
so that nothing the tests say was there to be tuned on. A conversation is a list of model calls, each a list of its
facts.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from quorate import TextMessage
from quorate.chat.facts import Fact
from quorate.chat.messages import (
    FunctionCall,
    FunctionExecutionResult,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
)

Call = list[Fact]

NOUNS = """
    anchor apple archive arrow atlas badge bakery balcony bamboo banner barrel basin basket battery beacon beetle
    bicycle blanket border bottle bridge bucket budget bundle cabin cable camera canal candle canoe carpet castle
    ceiling cellar chapel charter chimney cinema circuit climate cluster coast collar column compass concert copper
    corner cotton council cradle crater crystal curtain customer cylinder dairy database decade desert diagram
    diamond dolphin dragon drawer eagle editor elbow engine envelope estate fabric factory falcon farmer feather
    ferry festival filter finger forest fossil fountain fraction freight galaxy gallery garden gateway glacier glove
    granite gravel grocery guitar hammer harbour harvest helmet heron highway honey horizon hospital hunter iceberg
    insect invoice island ivory jacket jungle kernel kettle kitchen ladder lantern lawyer leather ledger lemon
    library lighthouse linen lizard lobster locomotive magnet marble market meadow medicine membrane merchant meteor
    mineral mirror monastery mortgage mosaic mountain museum needle notebook nursery oasis octopus olive orchard
    orchestra otter oxygen oyster package paddle palace panther parcel parrot passenger pasture payment pebble
    pelican penguin pepper phantom piano pigeon pillow pirate planet platform pocket poem pollen portrait pottery
    prairie printer prison profile protein pumpkin puzzle pyramid quarry rabbit radar railway rainbow raven receipt
    recipe reservoir resin restaurant ribbon river robot rocket saddle sailor salmon sapphire satellite saxophone
    schedule scooter sculpture seashell sensor shadow shelter silver skeleton sparrow spectrum spider sponge stadium
    statue suitcase sunset surgeon swan symphony tavern telescope temple tenant theatre thunder tiger timber tractor
    treaty triangle trumpet tulip tunnel turbine turtle umbrella uniform vaccine valley velvet village vineyard
    violin volcano voyage wagon walnut walrus warehouse waterfall weaver whale wheat whistle widow willow window
    winter wizard yacht zebra
""".split()  # noqa: SIM905  # nobody reads a list of these
VERBS = """
    absorbs admires attacks balances bends blocks boils borrows breaks brings builds burns buries buys carries
    carves catches chases climbs closes collects connects copies counts crosses crushes cuts delivers divides
    doubles drags draws drives drops earns eats empties enters escapes feeds fights fills floats folds freezes
    gathers guards guides hides hires holds hunts hurts ignores invades joins jumps kicks lends lifts locks melts
    mends mixes opens orders paints passes pays plants polishes pours prints protects pulls pushes reaches reads
    repairs rescues returns rides rings rolls saves scans sells sends shakes shines sings sinks sleeps smells spills
    splits steals stirs stores strikes sweeps swims throws touches trades trains turns visits warns washes watches
    wears weighs wins wraps
""".split()  # noqa: SIM905  # nobody reads a list of these
ADJECTIVES = """
    amber ancient bitter blue brave brittle broad bronze calm cheap clever coarse cold crimson curious damp dark
    deep dense dirty distant dusty eager elastic electric empty famous fierce flat foreign fragile frozen gentle
    giant golden green hollow honest humble hungry icy idle jagged kind lazy local lonely loud lucky mellow modern
    muddy narrow nervous noisy old orange pale patient polite proud purple quiet rapid rare red remote rough round
    rusty salty scarlet sharp shiny shy silent slow smooth soft solid sour square steep stiff strange sudden sweet
    swift tall tame tender thick thin tidy tiny tough vast violet warm weak wet wild wise young
""".split()  # noqa: SIM905  # nobody reads a list of these
SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
NAMES = ["ann", "ben", "cora", "dan", "eve", "finn", "gus", "hana", "ivo", "jo"]

AGREEING = [
    "I {fully} agree with {that}. {praise}",
    "{praise} I {fully} support {that}.",
    "Yes, {that} is {good}. {praise}",
    "{praise} Let's go with {that}, it sounds {good}.",
    "You are {fully} right about {that}. {praise}",
    "I {fully} share your view on {that}. {praise}",
    "Agreed, {that} looks {good} to me. {praise}",
    "I have nothing to add, {that} is {good}. {praise}",
]
PRAISE = [
    "Great idea!",
    "Excellent point!",
    "Well said.",
    "Perfect!",
    "Wonderful work!",
    "Good thinking.",
    "Brilliant!",
    "That makes sense.",
    "I could not agree more.",
    "Fantastic suggestion!",
    "",
    "Absolutely.",
]
FULLY = ["fully", "completely", "totally", "absolutely", "really", "entirely", "definitely", "certainly"]
GOOD = ["good", "great", "excellent", "fine", "perfect", "very good", "wonderful", "just right"]
SORRY = [
    "I apologize for the confusion.",
    "I'm sorry about that.",
    "My apologies for the mistake.",
    "Sorry for the error!",
    "I sincerely apologize for the misunderstanding.",
    "You are right, I'm sorry.",
    "I do apologize once again.",
    "Please accept my apologies.",
]
AGAIN = [
    "Let me try again.",
    "I will correct the {x} now.",
    "Let me fix the {x}.",
    "I'll make sure to get the {x} right.",
    "Allow me to correct the {x}.",
    "Let me give you the corrected {x}.",
    "I will take another look at the {x}.",
    "Let me revise the {x}.",
]
THANKS = [
    "Thank you for your patience.",
    "Thanks for pointing that out!",
    "I appreciate your understanding.",
    "Thank you for the feedback.",
    "",
    "Thanks again.",
    "I appreciate it.",
    "Thank you so much.",
]
COURTESY = [
    "Sure!",
    "Of course!",
    "Certainly.",
    "Okay,",
    "Alright,",
    "Great,",
    "Thanks!",
    "Absolutely!",
    "Sure thing.",
    "No problem.",
    "Understood.",
    "Right.",
]
TEMPLATES = [
    "We should {do} the {x} so that the {y} gets {better}.",
    "In other words, the {x} needs to be {better} before we {do} the {y}.",
    "To {do} the {x} we first have to {do} the {y} in a {better} way.",
    "I would {do} the {x} again, because the {y} could be {better}.",
    "What if we {do} the {x} and make the {y} {better}?",
    "The next step is to {do} the {x} and keep the {y} {better}.",
]
DO = ["improve", "refine", "review", "update", "revise", "reconsider", "adjust", "rewrite"]
BETTER = ["better", "clearer", "stronger", "more complete", "more useful", "simpler", "more precise", "more detailed"]
MORE = [
    "and more",
    "and more still",
    "again",
    "as well",
    "once again",
    "too",
    "indeed",
    "and so on",
    "very much",
    "also",
]
HANDING = [
    "{to} is better suited to handle the {x}",
    "The {x} is something for {to} to take care of",
    "This is about the {x}, so {to} should take over from here",
    "I cannot help with the {x}, please ask {to} about it",
    "{to} knows more about the {x} than I do",
    "Questions about the {x} should go to {to} please",
]
WAITING = [
    "I'm waiting for {to} to finish the {x}.",
    "{to}, please go ahead with the {x}.",
    "Over to you, {to}, for the {x}.",
    "I need the {x} from {to} before I can continue.",
    "Once {to} is done with the {x} I will continue.",
    "It is your turn with the {x}, {to}.",
]
FAILURES = [
    "Error: connection timed out",
    "503 Service Unavailable",
    "Permission denied",
    "TypeError: expected str, got None",
    "Rate limit exceeded, try again later",
    "KeyError: 'result'",
    "file is locked by another process",
    "invalid credentials",
]
PLANS = [
    "Here is the updated plan:",
    "Revised plan:",
    "Let me refine the plan:",
    "This is the improved plan:",
    "I have updated the plan as follows:",
    "Here is a better version of the plan:",
]
NOTHING = [
    "Nothing new from me.",
    "No updates on my side.",
    "Nothing to report.",
    "Same as before.",
    "All quiet here.",
    "No blockers, no news.",
]
GO_ON = ["Good, please continue.", "Go on.", "Looks good, next one please.", "Approved.", "Fine, continue.", "OK."]


@dataclass
class Dice:
    """Draws for one conversation.

    Args:
        seed: Which conversation.
        held_out: Whether it is one for the tests; those never share a phrase with one for tuning.
    """

    seed: int
    held_out: bool
    draw: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.draw = random.Random(f"{'test' if self.held_out else 'tune'} {self.seed}")
        half = slice(1 if self.held_out else 0, None, 2)
        made = random.Random(self.draw.random())
        self.nonsense = self.draw.random() < 0.3
        self.nouns = NOUNS[half]
        self.verbs, self.adjectives = VERBS[half], ADJECTIVES[half]
        if self.nonsense:
            self.nouns = ["".join(made.choices(SYLLABLES, k=3)) for _ in range(made.choice([80, 200, 400]))]
            self.verbs, self.adjectives = self.nouns, self.nouns
        self.half = half

    def one(self, pool: Sequence[str]) -> str:
        """Draw one of a pool of words that both kinds of seeds share, such as names."""
        return self.draw.choice(pool)

    def phrase(self, pool: Sequence[str]) -> str:
        """Draw from this side's half of a list of phrases."""
        return self.draw.choice(pool[self.half])

    def few(self, pool: Sequence[str], most: int = 3) -> list[str]:
        """Draw the phrases that one conversation uses of a list."""
        mine = list(pool[self.half])
        return self.draw.sample(mine, min(len(mine), self.draw.randint(1, most)))

    def noun(self) -> str:
        return self.draw.choice(self.nouns)

    def names(self, least: int, most: int) -> list[str]:
        return self.draw.sample(NAMES, self.draw.randint(least, most))

    def sentence(self, short: bool = False) -> str:
        """Say something new."""
        d = self.draw
        one = f"the {d.choice(self.adjectives)} {self.noun()} {d.choice(self.verbs)} the {self.noun()}"
        more = f"every {self.noun()} {d.choice(self.verbs)} a {self.noun()}"
        both = f"{one} {d.choice(['and', 'while', 'but', 'because'])} {more}"
        return (one if short or d.random() < 0.3 else both).capitalize() + "."

    def uuid(self) -> str:
        h = f"{self.draw.getrandbits(128):032x}"
        return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"

    def id(self) -> str:
        return self.draw.choice(
            [self.uuid(), f"{self.draw.getrandbits(48):012x}", str(self.draw.randrange(10**10, 10**13))]
        )

    def time(self, n: int) -> str:
        at = 36000 + n * self.draw.randint(1, 3)
        clock = f"{at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}"
        return self.draw.choice([clock, f"2026-11-21T{clock}Z", f"2026-11-21 {clock}.{n:03}"])


def said(who: str, text: str) -> Call:
    return [Fact(message=TextMessage(content=text, source=who or "user"), speaker=who)]


def called(who: str, *calls: tuple[str, Any, str], failed: bool = False) -> Call:
    asked = [
        FunctionCall(f"c{i}", args if isinstance(args, str) else json.dumps(args), name)
        for i, (name, args, _) in enumerate(calls)
    ]
    results = [FunctionExecutionResult(result, name, f"c{i}", failed) for i, (name, _, result) in enumerate(calls)]
    return [
        Fact(event=ToolCallRequestEvent(content=asked, source=who), speaker=who),
        Fact(event=ToolCallExecutionEvent(content=results, source=who), speaker=who),
    ]


# -- loops ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Loop:
    """A conversation that begins to go in circles.

    Args:
        calls: Model calls, the healthy ones before the loop first.
        start: Index of the loop's first call.
        period: Model calls of one round.
    """

    calls: list[Call]
    start: int
    period: int


NOISE = ["plain", "counter", "time", "id", "courtesy", "mixed"]


def noisy(dice: Dice, noise: str, n: int, text: str) -> str:
    """Add what differs each time and says nothing."""
    if noise == "trace":  # as a server adds it: always in the same form
        at, ms = f"2026-11-21T10:{n // 60:02}:{n % 60:02}Z", dice.draw.randint(1, 900)
        return f"{text}\nrequest {dice.uuid()} at {at}, took {ms} ms"
    kind = dice.one(NOISE[1:5]) if noise == "mixed" else noise
    if kind == "counter":
        mark = dice.one([f"(attempt {n})", f"[{n}]", f"({n})", f"Attempt {n} of 50:", f"Round {n}:", f"Try #{n}:"])
        return f"{mark} {text}" if mark.endswith(":") else f"{text} {mark}"
    if kind == "time":
        return f"[{dice.time(n)}] {text}" if dice.draw.random() < 0.5 else f"{text} (at {dice.time(n)})"
    if kind == "id":
        return f"{text} (ref {dice.id()})"
    if kind == "courtesy":
        return f"{dice.phrase(COURTESY)} {text}" if dice.draw.random() < 0.7 else text
    return text


Round = Callable[[int], Call]


def _say(dice: Dice, noise: str, who: Sequence[str], text: Callable[[int, int], str]) -> list[Round]:
    def of(i: int) -> Round:
        return lambda n: said(who[i], noisy(dice, noise, n, text(i, n)))

    return [of(i) for i in range(len(who))]


def _fill(template: str, **values: str) -> str:
    for name, value in values.items():
        while "{" + name + "}" in template:
            template = template.replace("{" + name + "}", value, 1)
    return template


def same_tool(dice: Dice, noise: str) -> list[Round]:
    who, name, args = dice.names(1, 1)[0], f"find_{dice.noun()}", {"query": f"{dice.noun()} {dice.noun()}"}
    result = dice.one(["no results", "[]", "null", "", dice.sentence(), "\n".join(dice.sentence() for _ in range(30))])
    noise = "plain" if noise in {"plain", "courtesy"} else "trace"
    return [lambda n: called(who, (name, args, noisy(dice, noise, n, result)))]


def alternating_tools(dice: Dice, noise: str) -> list[Round]:
    who = dice.names(1, 1)[0]
    tools = [
        (f"{dice.one(['get', 'find', 'list'])}_{w}", {"of": dice.noun()}, dice.sentence())
        for w in dice.draw.sample(dice.nouns, dice.draw.choice([2, 2, 3]))
    ]
    noise = "plain" if noise in {"plain", "courtesy"} else "trace"

    def of(t: tuple[str, Any, str]) -> Round:
        return lambda n: called(who, (t[0], t[1], noisy(dice, noise, n, t[2])))

    return [of(t) for t in tools]


def agreeing(dice: Dice, noise: str) -> list[Round]:
    who = dice.names(2, 4)
    that = dice.one(["that", "the plan", f"the {dice.noun()}", f"the plan for the {dice.noun()}"])
    mine = [dice.phrase(AGREEING) for _ in who]
    return _say(
        dice,
        noise,
        who,
        lambda i, n: _fill(
            mine[i], that=that, fully=dice.phrase(FULLY), praise=dice.phrase(PRAISE), good=dice.phrase(GOOD)
        ),
    )


def empty(dice: Dice, noise: str) -> list[Round]:
    who = dice.names(1, 2)
    mine = [dice.one(["", " ", "\n", ".", "...", "-", "…"]) for _ in who]
    return _say(dice, "plain", who, lambda i, n: mine[i])


def apologies(dice: Dice, noise: str) -> list[Round]:
    who, x = dice.names(1, 2), dice.noun()
    bodies = [dice.phrase(AGAIN) for _ in who]
    blame = [
        dice.phrase(
            [
                "That is not right, please fix it.",
                "This is still wrong.",
                "The {x} is still not correct.",
                "Please look at the {x} again.",
            ]
        )
        for _ in who
    ]

    def text(i: int, n: int) -> str:
        if i == 1:
            return _fill(blame[i], x=x)
        return _fill(f"{dice.phrase(SORRY)} {bodies[i]} {dice.phrase(THANKS)}", x=x).strip()

    return _say(dice, noise, who, text)


def growing(dice: Dice, noise: str) -> list[Round]:
    who = dice.names(1, 2)
    texts = [dice.sentence() for _ in who]

    def text(i: int, n: int) -> str:
        texts[i] += f" {dice.phrase(MORE)}"
        if dice.draw.random() < 0.3:
            texts[i] += f" {dice.one(texts[i].split())}"
        return texts[i]

    return _say(dice, noise if noise != "mixed" else "time", who, text)


def paraphrase(dice: Dice, noise: str) -> list[Round]:
    who, x, y = dice.names(1, 2), dice.noun(), dice.noun()
    mine = [dice.phrase(TEMPLATES) for _ in who]

    def text(i: int, n: int) -> str:
        filled = mine[i]
        while "{do}" in filled:
            filled = filled.replace("{do}", dice.phrase(DO), 1)
        return _fill(filled, x=x, y=y, better=dice.phrase(BETTER))

    return _say(dice, noise, who, text)


def handoffs(dice: Dice, noise: str) -> list[Round]:
    who, x = dice.names(2, 3), dice.noun()
    mine = [dice.phrase(HANDING) for _ in who]
    by_tool, with_reason = dice.draw.random() < 0.7, dice.draw.random() < 0.6

    def of(i: int) -> Round:
        to = who[(i + 1) % len(who)]

        def act(n: int) -> Call:
            reason = noisy(dice, noise, n, _fill(mine[i], to=to, x=x))
            if not by_tool:
                return said(who[i], f"{reason}. Transferred to {to}.")
            args = {"reason": reason} if with_reason else {}
            return called(who[i], (f"transfer_to_{to}", args, f"Transferred to {to}, adopting the role immediately."))

        return act

    return [of(i) for i in range(len(who))]


def retrying(dice: Dice, noise: str) -> list[Round]:
    who, name, x, y = dice.names(1, 1)[0], f"fetch_{dice.noun()}", dice.noun(), dice.noun()
    failure = dice.phrase(FAILURES)

    def act(n: int) -> Call:
        args: dict[str, Any] = {"target": x, "note": noisy(dice, noise, n, f"get the {y} from {x}")}
        if noise == "counter":
            args["attempt"] = n
        return called(
            who, (name, args, noisy(dice, "trace" if noise in {"id", "time"} else "plain", n, failure)), failed=True
        )

    if dice.draw.random() < 0.3:
        text = _fill(f"{dice.phrase(SORRY)} {dice.phrase(AGAIN)}", x=x)
        return [act, lambda n: said(who, noisy(dice, noise, n, text))]
    return [act]


def planning(dice: Dice, noise: str) -> list[Round]:
    who = dice.names(1, 2)
    steps = [
        f"{dice.one(['check', 'build', 'collect', 'compare'])} the {dice.noun()} and the {dice.noun()}"
        for _ in range(dice.draw.randint(3, 6))
    ]
    comment = [
        dice.phrase(
            [
                "Could you improve the plan?",
                "Please refine it further.",
                "Can this be better?",
                "Please update the plan again.",
            ]
        )
        for _ in who
    ]

    def text(i: int, n: int) -> str:
        if i == 1:
            return comment[i]
        order = dice.draw.sample(steps, len(steps)) if dice.draw.random() < 0.7 else steps
        return dice.phrase(PLANS) + "".join(
            f"\n{j}. {dice.phrase(COURTESY) if dice.draw.random() < 0.1 else ''}{s}" for j, s in enumerate(order, 1)
        )

    return _say(dice, noise, who, text)


def self_delegation(dice: Dice, noise: str) -> list[Round]:
    who, x, y = dice.names(1, 1)[0], dice.noun(), dice.noun()
    mine, by_tool = dice.phrase(TEMPLATES), dice.draw.random() < 0.7

    def act(n: int) -> Call:
        task = noisy(dice, noise, n, _fill(mine, do=dice.phrase(DO), x=x, y=y, better=dice.phrase(BETTER)))
        if by_tool:
            return called(who, ("delegate", {"to": who, "task": task}, f"{who} has accepted the task."))
        return said(who, f"I delegate this to {who}: {task}")

    return [act]


def oscillation(dice: Dice, noise: str) -> list[Round]:
    who, x = dice.names(2, 3), dice.noun()
    mine = [dice.phrase(WAITING) for _ in who]
    return _say(dice, noise, who, lambda i, n: _fill(mine[i], to=who[(i + 1) % len(who)], x=x))


LOOPS: dict[str, Callable[[Dice, str], list[Round]]] = {
    f.__name__: f
    for f in (
        same_tool,
        alternating_tools,
        agreeing,
        empty,
        apologies,
        growing,
        paraphrase,
        handoffs,
        retrying,
        planning,
        self_delegation,
        oscillation,
    )
}


def loop(kind: str, seed: int, *, held_out: bool, rounds: int) -> Loop:
    """Return a loop, after a healthy beginning of its own length."""
    dice = Dice(seed, held_out)
    noise = NOISE[seed % len(NOISE)]
    acts = LOOPS[kind](dice, noise)
    who = dice.names(2, 3)
    before = [said("", dice.sentence())]
    before += [said(who[i % len(who)], dice.sentence()) for i in range(dice.draw.choice([0, 0, 3, 12, 40]))]
    first = dice.draw.randint(1, 20)
    calls = [act(first + n) for n in range(rounds) for act in acts]
    return Loop(before + calls, len(before), len(acts))


# -- healthy talks ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Talk:
    """A conversation that gets somewhere, however slowly."""

    calls: list[Call]
    persons: frozenset[str] = frozenset()
    polls: frozenset[str] = frozenset()


TURNS = 200


def varied(dice: Dice) -> Talk:
    who = dice.names(1, 4)
    short = dice.draw.random() < 0.5
    size = dice.draw.choice([1, 1, 2, 8])
    return Talk([said(who[i % len(who)], " ".join(dice.sentence(short) for _ in range(size))) for i in range(TURNS)])


def few_words(dice: Dice) -> Talk:
    """Sentences of a small vocabulary in ever new combinations."""
    words = [dice.noun() for _ in range(dice.draw.choice([60, 120, 240]))]
    who, k = dice.names(1, 3), dice.draw.randint(8, 16)
    return Talk([said(who[i % len(who)], " ".join(dice.draw.choices(words, k=k)) + ".") for i in range(TURNS)])


def repair(dice: Dice) -> Talk:
    """Code is repaired with tools; now and then the tests fail as before."""
    who, calls = dice.names(1, 1)[0], []
    code = [f"{dice.noun()} = {dice.draw.randint(0, 99)}" for _ in range(dice.draw.choice([5, 40]))]
    failing, total, stuck = 60, 90, 0
    for n in range(TURNS // 3):
        code[dice.draw.randrange(len(code))] = f"{dice.noun()} = {dice.noun()}({dice.draw.randint(0, 999)})"
        stuck = stuck + 1 if dice.draw.random() < 0.3 and stuck < 2 else 0
        failing -= stuck == 0
        if dice.draw.random() < 0.5:
            calls.append(called(who, ("write_file", {"path": "work.py", "text": "\n".join(code)}, "ok")))
        else:
            edit = {"line": dice.draw.randint(1, 40), "text": f"{dice.noun()} = {dice.noun()}"}
            calls.append(called(who, ("edit", edit, "ok")))
        log = f"{total - failing} passed, {failing} failed in {dice.draw.random():.2f}s"
        calls.append(called(who, ("run_tests", {}, log)))
        if n % 5 == 4:
            calls.append(said(who, f"{failing} tests still fail. Let me look at the next one."))
    return Talk(calls)


def executed(dice: Dice) -> Talk:
    """Code is repaired in messages, and somebody runs it."""
    coder, runner = dice.names(2, 2)
    code = [f"{dice.noun()} = {dice.noun()}({i})" for i in range(dice.draw.randint(4, 30))]
    calls: list[Call] = []
    for n in range(TURNS // 2):
        code[dice.draw.randrange(len(code))] = f"{dice.noun()} = {dice.noun()}({dice.draw.randint(0, 99)})"
        calls.append(said(coder, f"{dice.phrase(SORRY)} Here is the fixed code:\n```\n" + "\n".join(code) + "\n```"))
        what = dice.one(
            [
                f"NameError: name '{dice.noun()}' is not defined",
                f"line {n + 2}: expected {dice.noun()}",
                f"{n + 3} passed, {120 - n} failed",
            ]
        )
        calls.append(said(runner, f"exit code 1\n{what}"))
    return Talk(calls)


def polling(dice: Dice) -> Talk:
    who, other = dice.names(2, 2)
    calls: list[Call] = []
    for _ in range(TURNS // 3):
        calls += [called(who, ("status", {}, "pending")), said(who, "Still waiting."), said(other, "OK, check again.")]
    return Talk(calls, polls=frozenset({"status"}))


def interview(dice: Dice) -> Talk:
    asks, answers = dice.names(2, 2)
    question = dice.phrase(
        [
            "What do you think about the {x}?",
            "Could you tell me more about the {x}, please?",
            "How did the {x} come about?",
            "Thank you. And what about the {x}?",
        ]
    )
    calls: list[Call] = []
    for n in range(TURNS // 2):
        ask = _fill(question, x=dice.noun()) if dice.draw.random() < 0.8 else "I see. Please go on."
        short = dice.draw.random() < 0.3
        calls += [said(asks, ask), said(answers, dice.sentence(short) if n else f"Hello. {dice.sentence()}")]
    return Talk(calls)


COUNTS = [
    "{n}",
    "Step {n} is done.",
    "Item {n}: {x}",
    "{x} has been checked.",
    "reply {n}",
    "Processed {x}.txt successfully.",
    "I have finished the {x}, moving on to the next one.",
    "Customer {x} {y} was processed and everything is stored.",
    "Message {n}",
    "Here is draft {n} of the story.",
    "This is message number {n} from {who}.",
    "ok {n}",
    "turn {n} of {who}",
    "Row {n} of the table: {x}, {y}",
    "{n}. {x}",
    "The translation of {x} is {y}.",
    "The part about {x}.",
    "{x}",
    "I've completed the review of the {x} section. Let me move on to the next one.",
    "{who}{n}",
]


def counting(dice: Dice) -> Talk:
    """Work on one item after the other; the other, if there is one, says to go on."""
    who, frame = dice.names(1, 2), dice.phrase(COUNTS)
    order = dice.draw.sample(dice.nouns, min(len(dice.nouns), TURNS))
    task = f"Work on these: {', '.join(order)}" if dice.draw.random() < 0.5 else "Work through the list."
    calls = [said("", task)]
    go_on = dice.phrase(GO_ON)
    silent = len(who) == 2 and dice.draw.random() < 0.5
    for n in range(TURNS if "{n}" in frame else len(order)):
        text = _fill(frame, n=str(n + 1), x=order[n % len(order)], y=order[(n + 7) % len(order)], who=who[0])
        calls.append(said(who[0] if silent else who[n % len(who)], text))
        if silent:
            calls.append(said(who[1], go_on))
    return Talk(calls)


def debate(dice: Dice) -> Talk:
    """Each quotes what the other said, and answers it."""
    who, last = dice.names(2, 3), dice.sentence()
    opening = [dice.phrase(["You said: ", "As you put it, ", "> ", "I disagree that "]) for _ in who]
    calls: list[Call] = []
    for n in range(TURNS):
        i = n % len(who)
        mine = dice.sentence()
        calls.append(said(who[i], f"{opening[i]}{last} {dice.one(['But', 'No,', 'And yet'])} {mine}"))
        last = mine
    return Talk(calls)


def translating(dice: Dice) -> Talk:
    who, other = dice.names(2, 2)
    into = str.maketrans("aeiourstln", "oiaueztrmk")
    calls: list[Call] = []
    for _ in range(TURNS // 2):
        text = dice.sentence(dice.draw.random() < 0.5)
        calls += [said(who, text), said(other, text.translate(into))]
    return Talk(calls)


def meeting(dice: Dice) -> Talk:
    """Most have nothing to say, each round somebody has."""
    who = dice.names(3, 7)
    nothing = {name: dice.phrase(NOTHING) for name in who}
    calls: list[Call] = []
    while len(calls) < TURNS:
        has = set(dice.draw.sample(who, dice.draw.choice([1, 1, 2])))
        calls += [said(name, dice.sentence(True) if name in has else nothing[name]) for name in who]
    return Talk(calls)


def drafting(dice: Dice) -> Talk:
    """A story grows by a sentence a turn, told whole each time."""
    who, other = dice.names(2, 2)
    story, go_on, calls = "", dice.phrase(GO_ON), list[Call]()
    for _ in range(TURNS // 4):
        story += f" {dice.sentence()} {dice.sentence()}"
        calls += [said(who, f"Here is the story so far:{story}"), said(other, go_on)]
    return Talk(calls)


def batch(dice: Dice) -> Talk:
    """One tool on one thing after the other, with the same answer."""
    who = dice.names(1, 1)[0]
    kind = dice.draw.choice(["ids", "urls", "grid", "towers", "pages", "rows", "side by side", "errors"])
    calls: list[Call] = []
    for n in range(TURNS):
        x, y = dice.noun(), dice.noun()
        if kind == "ids":
            calls.append(called(who, ("ship", {"order": dice.id()}, "shipped")))
        elif kind == "urls":
            calls.append(called(who, ("fetch", {"url": f"https://{x}.example/{y}/{n}"}, "saved")))
        elif kind == "grid":
            calls.append(called(who, ("set_cell", {"row": n // 10, "column": n % 10}, "ok")))
        elif kind == "towers":
            a, b = dice.draw.sample("ABC", 2)
            calls.append(called(who, ("move", {"disc": n.bit_count(), "from": a, "to": b, "step": n}, "ok")))
        elif kind == "pages":
            calls.append(called(who, ("next_page", {}, dice.sentence())))
        elif kind == "rows":
            calls.append(
                called(who, ("insert", {"name": x, "note": f"the {y} is to be kept in the {dice.noun()}"}, "1 row"))
            )
        elif kind == "side by side":
            calls.append(called(who, *[("look_up", {"word": w}, "not found") for w in (f"{x}{n}", f"{y}{n}")]))
        else:
            calls.append(called(who, ("fetch", {"url": f"https://{x}.example/{y}"}, "timed out"), failed=True))
    return Talk(calls)


def asked(dice: Dice) -> Talk:
    """A person asks the same again and again, and gets the same."""
    person, clerk = dice.names(2, 2)
    text = dice.sentence()
    calls = [c for _ in range(TURNS // 2) for c in (said(person, "Again, please."), said(clerk, text))]
    return Talk(calls, persons=frozenset({person}))


def approving(dice: Dice) -> Talk:
    """One writes, the others find it good."""
    who = dice.names(2, 4)
    yes = {name: dice.phrase([*GO_ON, *PRAISE[:10]]) for name in who}
    calls: list[Call] = []
    while len(calls) < TURNS:
        calls.append(said(who[0], dice.sentence()))
        calls += [said(name, yes[name]) for name in who[1:]]
    return Talk(calls)


def watching(dice: Dice) -> Talk:
    """A tool is asked the same and answers something else each time; what is said about it hardly differs."""
    who = dice.names(1, 1)[0]
    calls: list[Call] = []
    for n in range(TURNS // 2):
        calls.append(called(who, ("progress", {}, f"{n} of {TURNS} done")))
        if n % 3 == 0:
            calls.append(said(who, "It is still going on."))
    return Talk(calls)


HEALTHY: dict[str, Callable[[Dice], Talk]] = {
    f.__name__: f
    for f in (
        varied,
        few_words,
        repair,
        executed,
        polling,
        interview,
        counting,
        debate,
        translating,
        meeting,
        drafting,
        batch,
        asked,
        approving,
        watching,
    )
}


def healthy(kind: str, seed: int, *, held_out: bool) -> Talk:
    """Return a healthy conversation."""
    return HEALTHY[kind](Dice(seed, held_out))
