"""The cases of `make bench` and their targets."""

from benchkit.spec import OURS, PEERS, Case, Reading, Row, Script

_SIZES = (60, 500)


def cases() -> list[Case]:
    """Return all cases in the order of the table."""
    return [
        turn_memory(),
        turn_sqlite(),
        turn_postgres(),
        presets(),
        graph_fan(),
        tool_run(),
        stream_chunks(),
        concurrent(),
        import_cost(),
        durable(),
        resume(),
        state(),
        actors(),
    ]


def turn_memory() -> Case:
    """One team turn in memory, and whether it stays as cheap as the conversation grows."""
    rows: list[Row] = []
    for size in _SIZES:
        ours = Script("cases/turn_memory.py", OURS, size=size)
        turn = Reading(ours, "turn_us")
        view = Reading(Script("cases/turn_view.py", OURS, size=size), "turn_us")
        label = f"turn of {size} bytes"
        autogen = Script("peers/autogen_turn_memory.py", PEERS, size=size)
        rows += [
            Row(label, "us", turn, "AutoGen", Reading(autogen, "turn_us"), at_most=1 / 10),
            Row(f"{label}, AutoGen view", "us", view, "AutoGen", Reading(autogen, "turn_us"), at_most=1 / 10),
            *(Row(label, "us", turn, name, Reading(script, "turn_us")) for name, script in _memory_peers(size)),
            Row(f"1,000th turn to 10th, {size} bytes", "x", Reading(ours, "growth"), at_most=1.2),
        ]
    return Case("turn_memory", tuple(rows))


def _memory_peers(size: int) -> list[tuple[str, Script]]:
    """Return the peers that no target speaks of."""
    path = "peers/langgraph_turn_memory.py"
    found = [("LangGraph, best", Script(path, PEERS, size=size))]
    if size == _SIZES[0]:
        found.append(("LangGraph, best, blocking", Script(path, PEERS, size=size, variant="blocking")))
        found.append(("LangGraph, default", Script(path, PEERS, size=size, variant="default", rounds=3)))
    return [*found, ("MAF, 20 turns", Script("peers/maf_turn_memory.py", PEERS, size=size, rounds=3))]


def turn_sqlite() -> Case:
    """One durable turn, and how much disk a conversation takes."""
    rows: list[Row] = []
    for size in _SIZES:
        ours = Script("cases/turn_sqlite.py", OURS, size=size)
        rows += _durable_turn(ours, size)
        if size == _SIZES[0]:
            rows.append(
                Row("disk beside the text, an entry", "bytes", Reading(ours, "beside_entry_bytes"), at_most=400)
            )
        else:
            rows.append(Row("disk to text", "x", Reading(ours, "disk_to_text"), at_most=3))
        rows += [
            Row("2,000 turns to 1,000, a turn", "x", Reading(ours, "turn_growth"), at_most=1.2),
            Row("2,000 turns to 1,000, disk a turn", "x", Reading(ours, "disk_growth"), at_most=1.1),
        ]
    return Case("turn_sqlite", tuple(rows))


def _durable_turn(ours: Script, size: int) -> list[Row]:
    """Return the rows beside LangGraph; the targets hold for its async API, the like of ours, at its best."""
    label = f"durable turn of {size} bytes"
    turn, disk = Reading(ours, "turn_us"), Reading(ours, "disk_mb")
    sync, after, blocking, usual = (
        Script("peers/langgraph_turn_sqlite.py", PEERS, size=size, variant=variant, rounds=rounds)
        for variant, rounds in (("sync", 5), ("async", 5), ("blocking", 5), ("default", 2))
    )
    rows = [
        Row(label, "us", turn, "LangGraph, best, sync", Reading(sync, "turn_us"), at_most=1 / 5),
        Row(label, "us", turn, "LangGraph, best, async", Reading(after, "turn_us"), at_most=1 / 5),
        Row(label, "us", turn, "LangGraph, best, blocking", Reading(blocking, "turn_us")),
        Row(f"{label}, wall", "us", Reading(ours, "turn_wall_us"), "same, sync", Reading(sync, "turn_wall_us")),
        Row("disk for 1,000 turns", "MB", disk, "LangGraph, best", Reading(sync, "disk_mb")),
    ]
    if size == _SIZES[0]:  # with long messages its default fills half a gigabyte and more
        rows.insert(3, Row(label, "us", turn, "LangGraph, default", Reading(usual, "turn_us")))
        rows.append(Row("disk for 1,000 turns", "MB", disk, "LangGraph, default", Reading(usual, "disk_mb")))
    return rows


def turn_postgres() -> Case:
    """The same durable turn on a PostgreSQL server on this machine, beside SQLite."""
    rows: list[Row] = []
    for size in _SIZES:
        ours, off = (
            Script("cases/turn_postgres.py", OURS, size=size, variant=variant, rounds=3) for variant in ("", "off")
        )
        sqlite = Script("cases/turn_sqlite.py", OURS, size=size)
        label = f"turn of {size} bytes on PostgreSQL"
        for key, more in (("turn_us", ""), ("turn_wall_us", ", wall")):
            beside = Reading(sqlite, key)
            rows.append(Row(label + more, "us", Reading(ours, key), "SQLite", beside))
            rows.append(Row(f"{label}, not synced{more}", "us", Reading(off, key), "SQLite", beside))
        rows += [
            Row("disk for 1,000 turns", "MB", Reading(ours, "disk_mb"), "SQLite", Reading(sqlite, "disk_mb")),
            Row("2,000 turns to 1,000, a turn", "x", Reading(ours, "turn_growth"), at_most=1.2),
            Row("2,000 turns to 1,000, disk a turn", "x", Reading(ours, "disk_growth"), at_most=1.1),
        ]
    return Case("turn_postgres", tuple(rows))


_MAF_GROUP_CHAT = ("MAF, group chat", "maf groupchat", 1000)
_PRESETS = {
    "roundrobin": (_MAF_GROUP_CHAT,),
    "selector": (_MAF_GROUP_CHAT,),
    "swarm": (
        ("LangGraph, swarm", "langgraph swarm", 100),
        ("LangGraph, swarm, no checkpoint", "langgraph bare", 1000),
        ("MAF, handoff", "maf handoff", 1000),
    ),
    "graph": (
        ("LangGraph, best", "langgraph best", 1000),
        ("LangGraph, default", "langgraph default", 1000),
        ("MAF, workflow", "maf graph", 1000),
    ),
    "magentic": (("MAF, Magentic", "maf magentic", 100),),
}
"""The patterns that others ship, by ours: whose, the script and its variant, the longest that takes no minutes."""


def _preset(kind: str, longest: int) -> Script:
    """Return what measures a peer's pattern: once where the cost of a turn grows so much that it takes long."""
    peer, variant = kind.split()
    rounds = 2 if variant in {"best", "default"} else 1
    return Script(f"peers/{peer}_presets.py", PEERS, size=60, variant=f"{variant}-{longest}", rounds=rounds)


def presets() -> Case:
    """A turn of each preset in conversations of 10, 100 and 1,000 turns."""
    rows: list[Row] = []
    for label, variant in (
        ("round robin", "roundrobin"),
        ("selector, by a function", "selector"),
        ("swarm", "swarm"),
        ("graph, a loop of two", "graph"),
        ("Magentic-One, with its ledger", "magentic"),
    ):
        ours = Script("cases/presets.py", OURS, size=60, variant=variant, rounds=3)
        view = Script("cases/presets_view.py", OURS, size=60, variant=variant, rounds=3)
        autogen = Script("peers/autogen_presets.py", PEERS, size=60, variant=variant, rounds=3)
        for turns in (10, 100, 1000):
            key = f"turn_{turns}_us"
            theirs = Reading(autogen, key, least=True)
            own = Reading(ours, key, least=True)
            rows.append(Row(f"{label}, {turns} turns", "us", own, "AutoGen", theirs, at_most=1 / 10))
            named = f"{label}, {turns} turns, AutoGen view"
            rows.append(Row(named, "us", Reading(view, key, least=True), "AutoGen", theirs, at_most=1 / 10))
            rows += [
                Row(f"{label}, {turns} turns", "us", own, name, Reading(_preset(kind, longest), key, least=True))
                for name, kind, longest in _PRESETS.get(variant, ())
                if turns <= longest
            ]
        rows.append(Row(f"{label}, 1,000 turns to 100", "x", Reading(ours, "growth"), at_most=1.2))
    return Case("presets", tuple(rows))


def graph_fan() -> Case:
    """A graph that fans out to 98 and joins, and three speakers of a second each."""
    rows: list[Row] = []
    ours = Script("cases/graph_fan.py", OURS, size=60, rounds=3)
    view = Script("cases/graph_fan_view.py", OURS, size=60, rounds=3)
    best = Script("peers/langgraph_graph_fan.py", PEERS, size=60, rounds=3)
    for name, script, at_most in (
        ("LangGraph, best", best, 1.0),
        (
            "LangGraph, default",
            Script("peers/langgraph_graph_fan.py", PEERS, size=60, variant="default", rounds=2),
            1.0,
        ),
        ("AutoGen", Script("peers/autogen_graph_fan.py", PEERS, size=60, rounds=2), 1 / 10),
    ):
        for key, more in (("fan_ms", ""), ("fan_wall_ms", ", wall")):
            rows.append(
                Row(f"1 to 98 to 1{more}", "ms", Reading(ours, key), name, Reading(script, key), at_most=at_most)
            )
    rows.append(
        Row(
            "1 to 98 to 1, AutoGen view", "ms", Reading(view, "fan_ms"), "LangGraph, best", Reading(best, "fan_ms"),
            at_most=1.0,
        )
    )  # fmt: skip
    rows.append(Row("3 speakers of 1 s side by side, wall", "s", Reading(ours, "parallel_wall_s"), at_most=1.1))
    return Case("graph_fan", tuple(rows))


def tool_run() -> Case:
    """A run of model, tool, model; and twenty slow tools in one response."""
    ours = Script("cases/tool_run.py", OURS, size=60)
    autogen = Script("peers/autogen_tool_run.py", PEERS, size=60, rounds=3)
    wall = Script("cases/tool_wall.py", OURS)
    one, twenty = Reading(autogen, "one_tool_us"), Reading(autogen, "twenty_tools_us")
    pool = Reading(wall, "bare_pool_ms")
    return Case(
        "tool_run",
        (
            Row("run with 1 tool", "us", Reading(ours, "one_tool_us"), "AutoGen", one, at_most=1 / 5),
            Row("run with 20 tools", "us", Reading(ours, "twenty_tools_us"), "AutoGen", twenty, at_most=1 / 5),
            Row("20 async tools of 50 ms, wall", "ms", Reading(wall, "async_ms"), at_most=60),
            Row("20 blocking tools of 50 ms, wall", "ms", Reading(wall, "blocking_ms"), at_most=75),
            Row("20 blocking tools of 50 ms, wall", "ms", Reading(wall, "blocking_ms"), "bare thread pool", pool),
        ),
    )


def stream_chunks() -> Case:
    """An answer of 10,000 chunks, watched through a team."""
    rows: list[Row] = []
    for label, variant in (("streamed chunk", ""), ("streamed chunk, paced", "paced")):
        ours = Reading(Script("cases/stream_chunks.py", OURS, variant=variant), "chunk_us")
        autogen = Reading(Script("peers/autogen_stream_chunks.py", PEERS, variant=variant, rounds=3), "chunk_us")
        rows.append(Row(label, "us", ours, "AutoGen", autogen, at_most=1 / 10))
    return Case("stream_chunks", tuple(rows))


def concurrent() -> Case:
    """A thousand conversations of ten turns side by side."""
    ours = Reading(Script("cases/concurrent_runs.py", OURS, size=60), "total_s")
    autogen = Reading(Script("peers/autogen_concurrent_runs.py", PEERS, size=60, rounds=2), "total_s")
    return Case("concurrent", (Row("1,000 runs of 10 turns", "s", ours, "AutoGen", autogen, at_most=1 / 10),))


def import_cost() -> Case:
    """What starting up costs, each import above a bare interpreter with asyncio."""
    ours = Script("cases/import_cost.py", OURS, rounds=3)
    autogen = Script("peers/autogen_import_cost.py", PEERS, rounds=3)
    names = Reading(ours, "names_ms")
    theirs = Reading(autogen, "names_ms")
    agent, their_agent = Reading(ours, "agent_us"), Reading(autogen, "agent_us")
    ready, their_ready = Reading(ours, "ready_agent_us"), Reading(autogen, "ready_agent_us")
    shared, their_shared = Reading(ours, "agent_shared_tool_us"), Reading(autogen, "agent_shared_tool_us")
    return Case(
        "import_cost",
        (
            Row("import of the names", "ms", names, "import pydantic", Reading(ours, "pydantic_ms"), at_most=1.5),
            Row("import of the names", "ms", names, "import BaseModel", Reading(ours, "basemodel_ms")),
            Row("import of the names", "ms", names, "first pydantic model", Reading(ours, "model_ms")),
            Row("import of the names", "ms", names, "AutoGen", theirs),
            Row("unwanted modules loaded", "", Reading(ours, "unwanted_modules"), at_most=0),
            Row("agent with a new tool", "us", agent, "AutoGen", their_agent, at_most=1 / 5),
            Row("agent with a new tool and its schema", "us", ready, "AutoGen", their_ready),
            Row("agent with a known tool", "us", shared, "AutoGen", their_shared),
        ),
    )


def resume() -> Case:
    """Go on with a run of 1,000 turns that is on disk."""
    ours = Script("cases/resume.py", OURS, size=60)
    return Case(
        "resume",
        (
            Row("resume of 1,000 turns, wall", "s", Reading(ours, "resume_wall_s"), at_most=1.0),
            Row("resume of 1,000 turns, CPU", "s", Reading(ours, "resume_cpu_s")),
        ),
    )


def state() -> Case:
    """The state of a team of 1,000 messages as a plain dictionary."""
    ours, autogen = Script("cases/state.py", OURS, size=60), Script("peers/autogen_state.py", PEERS, size=60, rounds=3)
    view = Script("cases/state_view.py", OURS, size=60)
    return Case(
        "state",
        (
            Row("state saved, 1,000 messages", "ms", Reading(ours, "save_ms"), "AutoGen", Reading(autogen, "save_ms"),
                at_most=1.0),
            Row("state saved, 1,000 messages, AutoGen view", "ms", Reading(view, "save_ms"), "AutoGen",
                Reading(autogen, "save_ms"), at_most=1.0),
            Row("state loaded, 1,000 messages", "ms", Reading(ours, "load_ms"), "AutoGen", Reading(autogen, "load_ms")),
        ),
    )  # fmt: skip


_LENGTHS = (50, 200, 1000, 5000)
_LANGGRAPH = (("LangGraph, best, sync", "sync", 5000), ("LangGraph, best, async", "async", 5000),
              ("LangGraph, best, blocking", "blocking", 5000), ("LangGraph, default", "default", 200))  # fmt: skip


def durable() -> Case:
    """Conversations of 50 to 5,000 turns on disk: CPU a turn, disk and memory, beside what others keep.

    LangGraph's default is left out where it fills gigabytes; of what grows with the square of the length into many
    minutes only the last turns are held, after ones that were put in.
    """
    rows: list[Row] = []
    for turns in _LENGTHS:
        ours = Script("cases/durable.py", OURS, size=60, variant=f"sqlite-{turns}", rounds=3)
        rows += [row for name, peer in _keepers(turns) for row in _kept(turns, ours, name, peer)]
        postgres = Script("cases/durable.py", OURS, size=60, variant=f"postgres-{turns}", rounds=2)
        rows += _kept(turns, postgres, "SQLite", ours)
    return Case("durable", tuple(rows))


def _keepers(turns: int) -> list[tuple[str, Script]]:
    """Return the peers that keep a conversation of so many turns in reasonable time."""
    size, rounds = 60, 2 if turns <= 1000 else 1
    found = [
        (name, Script("peers/langgraph_durable.py", PEERS, size=size, variant=f"{kind}-{turns}", rounds=rounds))
        for name, kind, most in _LANGGRAPH
        if turns <= most
    ]
    held, more = (str(turns), "") if turns <= 1000 else (f"{turns}/50", ", the last 50")
    autogen = Script("peers/autogen_durable.py", PEERS, size=size, variant=held, rounds=1)
    agents = Script("peers/agents_durable.py", PEERS, size=size, variant=held, rounds=1)
    return [*found, (f"AutoGen, state saved{more}", autogen), (f"OpenAI Agents, session{more}", agents)]


def _kept(turns: int, ours: Script, name: str, peer: Script) -> list[Row]:
    """Return what two ways to keep a conversation take."""
    kind = "" if ours.variant.startswith("sqlite") else ", PostgreSQL"
    return [
        Row(f"{turns} turns{kind}: {what}", unit, Reading(ours, key), name, Reading(peer, key))
        for what, unit, key in (("a turn", "us", "turn_us"), ("disk", "MB", "disk_mb"), ("memory", "MB", "peak_mb"))
        if not (kind and key == "disk_mb")
    ]


def actors() -> Case:
    """Agents that talk on the actor runtime, beside AutoGen Core."""
    rows: list[Row] = []
    for label, variant in (("", ""), (", 1,000 types", "many")):
        ours, autogen = _actors(variant)
        for what, key in (
            ("direct round trip", "round_trip_us"),
            ("delivery to 1 subscriber", "deliver_1_us"),
            ("delivery to each of 10", "deliver_10_us"),
            ("delivery to each of 100", "deliver_100_us"),
        ):
            theirs = Reading(autogen, key)
            rows.append(Row(what + label, "us", Reading(ours, key), "AutoGen", theirs, at_most=1 / 5))
    idle, their_idle = _actors("idle")
    chain, their_chain = _actors("chain")
    long = Script("cases/actors.py", OURS, variant="long", rounds=1)
    return Case(
        "actors",
        (
            *rows,
            Row("idle agent, of 10,000", "bytes", Reading(idle, "idle_bytes"), at_most=717),
            Row(
                "idle agent, of 10,000",
                "bytes",
                Reading(idle, "idle_bytes"),
                "AutoGen",
                Reading(their_idle, "idle_bytes"),
            ),
            Row("hop in a chain of 100", "us", Reading(chain, "hop_us"), "AutoGen", Reading(their_chain, "hop_us")),
            Row("100,000 messages through it, growth", "KB", Reading(long, "chain_grown_kb"), at_most=512),
        ),
    )


def _actors(variant: str) -> tuple[Script, Script]:
    ours = Script("cases/actors.py", OURS, variant=variant, rounds=3)
    return ours, Script("peers/autogen_actors.py", PEERS, variant=variant, rounds=2)
