"""The commands and their words. Each loads what it needs when it runs, so that `quorate --help` is there at once."""

from __future__ import annotations

from collections.abc import Coroutine
from functools import cache
from typing import Annotated, Any

import typer

app = typer.Typer(
    name="quorate",
    help="Conversations between agents, people and tools: bounded, durable, replayable.",
    epilog="Ids may be cut short as long as they are unique. An error's traceback: --debug.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
models_app = typer.Typer(help="The weights of the embedded models.", rich_markup_mode=None, no_args_is_help=True)
app.add_typer(models_app, name="models")
questions_app = typer.Typer(rich_markup_mode=None)
app.add_typer(questions_app, name="questions", short_help="List the questions that wait for an answer.")

Run = Annotated[
    str, typer.Argument(metavar="RUN", help="A run, or a conversation for its last run.", show_default=False)
]
Store = Annotated[
    str | None, typer.Option(metavar="URL", help="Where runs are kept: a file, or postgresql://user@host/database.")
]
Limits = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=N,…", help="turns, model_calls, tool_calls, tokens, cost_usd, active_s; may be repeated."
    ),
]
Budgets = Annotated[
    list[str] | None,
    typer.Option(
        "--budget",
        metavar="SCOPE,NAME=N,…",
        help="A budget shared with other runs: cost_usd, tokens, model_calls, per=hour|day|month; may be repeated.",
    ),
]
TeamFile = Annotated[str | None, typer.Option("--team", metavar="FILE", help="Take this team file from here on.")]
App = Annotated[str | None, typer.Option("--app", metavar="MODULE:TEAM", help="Take the team from Python.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, an object a line.")]


@cache
def command() -> Any:
    """Return the whole command, to be called with words; reading what all commands take is most of a short one."""
    return typer.main.get_command(app)


def finish(work: Coroutine[Any, Any, int]) -> None:
    """Do the work of a command and exit with its code."""
    import asyncio

    raise typer.Exit(asyncio.run(work))


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import PackageNotFoundError, version

        try:
            found = version("quorate")
        except PackageNotFoundError:
            found = "(not installed)"
        typer.echo(f"quorate {found}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def top(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Print the help where no command is named."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def run(
    team: Annotated[
        str,
        typer.Argument(
            metavar="TEAM", help="A team file, or MODULE:TEAM or FILE.py:TEAM in Python.", show_default=False
        ),
    ],
    task: Annotated[
        str, typer.Argument(metavar="TASK", help="What to work on; - reads it from the input.", show_default=False)
    ],
    store: Store = None,
    no_store: Annotated[bool, typer.Option("--no-store", help="Keep the run nowhere.")] = False,
    conversation: Annotated[
        str | None, typer.Option(metavar="ID", help="Go on in this conversation, or begin one of this name.")
    ] = None,
    limits: Limits = None,
    budget: Budgets = None,
    as_json: Json = False,
) -> None:
    """Let a team work on a task.

    The run is kept in .quorate/ here. Ctrl-C stops it; `quorate resume` goes on.

    Exits with 0 for completed, 1 failed, 2 for what cannot work, 3 limit or stalled, 4 waiting, 130 Ctrl-C.
    """
    from quorate.cli import working

    spending = working.Spending(limits or [], budget or [])
    finish(working.run(team, task, store, conversation, spending, no_store=no_store, as_json=as_json))


@app.command(short_help="Tell what a run may use, before it starts.")
def forecast(
    team: Annotated[
        str,
        typer.Argument(
            metavar="TEAM", help="A team file, or MODULE:TEAM or FILE.py:TEAM in Python.", show_default=False
        ),
    ],
    task: Annotated[
        str, typer.Argument(metavar="TASK", help="What to work on; - reads it from the input.", show_default=False)
    ],
    store: Store = None,
    limits: Limits = None,
    as_json: Json = False,
) -> None:
    """Tell what a run may use: by past runs of the same definition, else the bounds. No model is asked."""
    from quorate.cli import forecasting

    finish(forecasting.told(team, task, store, limits or [], as_json=as_json))


@app.command(short_help="Look for what is wrong with a team, before it runs.")
def check(
    team: Annotated[
        str,
        typer.Argument(
            metavar="TEAM", help="A team file, or MODULE:TEAM or FILE.py:TEAM in Python.", show_default=False
        ),
    ],
    task: Annotated[str, typer.Option(metavar="TASK", help="What it would work on, for the estimates.")] = "",
    limits: Limits = None,
    as_json: Json = False,
) -> None:
    """Look for members who never speak, runs that never end, handoffs to nobody, contexts that overflow.

    Tells the most that a run may use. No model is asked. Exits with 1 where something cannot work.
    """
    from quorate.cli import checking

    finish(checking.checked(team, task, limits or [], as_json=as_json))


@app.command(short_help="Go on with a run where it stopped.")
def resume(
    run: Run,
    store: Store = None,
    limits: Limits = None,
    budget: Budgets = None,
    team: TeamFile = None,
    app: App = None,
    effects: Annotated[
        str | None,
        typer.Option(metavar="live|ask", help="In a fork: make new calls that are not effect='read', or ask first."),
    ] = None,
    give_up_turn: Annotated[
        bool, typer.Option("--give-up-turn", help="Close the turn that was open instead of finishing it.")
    ] = False,
    take_over: Annotated[
        bool,
        typer.Option("--take-over", help="Take it from a process that lives but hangs; that one can write no more."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Go on with a run where it stopped: after Ctrl-C, a crash, an answer, or at a limit with wider --limits."""
    from quorate.cli import working

    force = working.read_force(give_up_turn=give_up_turn, take_over=take_over, effects=effects)
    spending = working.Spending(limits or [], budget or [])
    finish(working.resume(run, store, spending, team, app, force=force, as_json=as_json))


@app.command(short_help="Branch off a run at a message, to go on in another way.")
def fork(
    run: Run,
    at: Annotated[
        str,
        typer.Option(
            metavar="MESSAGE", help="The last that is kept: its number or id (`show --ids`), a step's path, or end."
        ),
    ] = "end",
    say: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Say this in place of that message, or of what the step came to.")
    ] = None,
    team: TeamFile = None,
    app: App = None,
    effects: Annotated[
        str, typer.Option(metavar="ask|live", help="Whether new calls that are not effect='read' ask first.")
    ] = "ask",
    name: Annotated[str | None, typer.Option("--as", metavar="ID", help="The new conversation's id.")] = None,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Branch off a run at a message, to go on in another way; what is kept is shared, not copied.

    Prints the new conversation's id and the command to go on with.
    """
    from quorate.cli import forking

    finish(forking.forked(run, at, store, team, app, say, effects, name, as_json=as_json))


@app.command(short_help="Show where two runs differ.")
def compare(
    a: Annotated[str, typer.Argument(metavar="RUN", help="A run, or a conversation.", show_default=False)],
    b: Annotated[str, typer.Argument(metavar="RUN", help="The other.", show_default=False)],
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Show where two runs differ: outcome, cost, tokens, path and text."""
    from quorate.cli import comparing

    finish(comparing.compared(a, b, store, as_json=as_json))


@app.command()
def runs(
    store: Store = None,
    last: Annotated[int, typer.Option("--last", "-n", min=0, help="How many; 0 for all.")] = 30,
    as_json: Json = False,
) -> None:
    """List runs, the latest first."""
    from quorate.cli import lists

    finish(lists.runs(store, last, as_json=as_json))


@app.command()
def conversations(
    store: Store = None,
    last: Annotated[int, typer.Option("--last", "-n", min=0, help="How many; 0 for all.")] = 30,
    as_json: Json = False,
) -> None:
    """List conversations, the latest first."""
    from quorate.cli import lists

    finish(lists.conversations(store, last, as_json=as_json))


@app.command(short_help="Show a run: who spoke, why, and why it ended.")
def show(
    run: Annotated[str, typer.Argument(metavar="RUN|CONVERSATION", help="Its id.", show_default=False)],
    store: Store = None,
    entries: Annotated[bool, typer.Option("--entries", help="Print the journal itself, an entry a line.")] = False,
    ids: Annotated[bool, typer.Option("--ids", help="Print number and id of each message, to fork at.")] = False,
    as_json: Json = False,
) -> None:
    """Show what was said, why each speaker was chosen, and why it ended."""
    from quorate.cli import showing

    finish(showing.show(run, store, entries=entries, ids=ids, as_json=as_json))


@app.command(short_help="Tell why each spoke, which edges fired, and why a run ended.")
def explain(
    run: Run,
    turn: Annotated[
        int | None, typer.Argument(metavar="[TURN]", help="Only this turn, with what is inside it.", show_default=False)
    ] = None,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Tell why each speaker was chosen, why each edge of a graph fired or did not, and why the run ended.

    It is read from the journal: no team is needed, and nothing is asked again.
    """
    from quorate.cli import explaining

    finish(explaining.explain(run, turn, store, as_json=as_json))


@app.command(short_help="List what a run did to the world.")
def effects(
    run: Annotated[str, typer.Argument(metavar="RUN|CONVERSATION", help="Its id.", show_default=False)],
    store: Store = None,
    as_json: Json = False,
) -> None:
    """List each call that is more than a read: what it was, and whether it happened."""
    from quorate.cli import effects as ledger

    finish(ledger.show(run, store, as_json=as_json))


@app.command(short_help="List the budgets that runs share, and what is left.")
def budget(
    scope: Annotated[
        str | None, typer.Argument(metavar="[SCOPE]", help="Whose; all by default.", show_default=False)
    ] = None,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """List what runs that share a budget have used: spent, reserved by calls under way, and unknown of cut ones."""
    from quorate.cli import budgets

    finish(budgets.budgets(scope, store, as_json=as_json))


By = Annotated[str, typer.Option(metavar="NAME", help="Who says it.")]
Asked = Annotated[str, typer.Argument(metavar="QUESTION", help="Its id.", show_default=False)]


@questions_app.callback(invoke_without_command=True)
def questions(
    context: typer.Context,
    store: Store = None,
    to: Annotated[str | None, typer.Option(metavar="NAME", help="Only those that this person is asked.")] = None,
    last: Annotated[int, typer.Option("--last", "-n", min=0, help="How many of them; 0 for all.")] = 100,
    as_json: Json = False,
) -> None:
    """List the questions that wait for an answer, the oldest first."""
    if context.invoked_subcommand is None:
        from quorate.cli import asking

        finish(asking.questions(store, to, last, as_json=as_json))


@questions_app.command("show")
def show_question(question: Asked, store: Store = None, as_json: Json = False) -> None:
    """Show a question as a whole, and how to answer it."""
    from quorate.cli import asking

    finish(asking.show(question, store, as_json=as_json))


@questions_app.command("reassign")
def reassign_question(
    question: Asked,
    to: Annotated[str, typer.Option(metavar="NAME", help="Who is asked from now on.", show_default=False)],
    store: Store = None,
    by: By = "user",
) -> None:
    """Give a question to somebody else."""
    from quorate.cli import asking

    finish(asking.reassign(question, to, store, by))


@questions_app.command("expire")
def expire_question(question: Asked, store: Store = None, by: By = "user") -> None:
    """End the time of a question now: its run does what was declared for that."""
    from quorate.cli import asking

    finish(asking.expire(question, store, by))


@app.command(short_help="Answer a question of a run that waits.")
def answer(
    question: Asked,
    result: Annotated[
        str | None,
        typer.Argument(metavar="[ANSWER]", help="The answer: words, yes or no, or JSON.", show_default=False),
    ] = None,
    happened: Annotated[
        bool, typer.Option("--happened", help="The interrupted call happened, and ANSWER is what it returned.")
    ] = False,
    did_not: Annotated[
        bool, typer.Option("--did-not", help="It did not happen and will not: it is made again.")
    ] = False,
    by: By = "user",
    store: Store = None,
) -> None:
    """Answer a question, or say whether an interrupted call happened. `quorate resume` then goes on with it."""
    from quorate.cli import asking

    finish(asking.answer(question, result, store, by, happened=happened, did_not=did_not))


Message = Annotated[str, typer.Argument(metavar="MESSAGE", help="What to say.", show_default=False)]
Words = Annotated[str, typer.Argument(metavar="[MESSAGE]", help="What to say.", show_default=False)]


@app.command(short_help="Tell an agent of a running team something.")
def steer(
    run: Run,
    message: Message,
    to: Annotated[str, typer.Option(metavar="NAME", help="Which agent; by default whichever thinks next.")] = "",
    by: By = "user",
    store: Store = None,
) -> None:
    """Tell an agent of a running team something: it reads it at its next model call."""
    from quorate.cli import steering

    finish(steering.say("steer", run, message, store, by, to))


@app.command(short_help="Tell a running team something, before its next turn.")
def queue(run: Run, message: Message, by: By = "user", store: Store = None) -> None:
    """Tell a running team something: everybody hears it before the next turn."""
    from quorate.cli import steering

    finish(steering.say("queue", run, message, store, by))


@app.command(short_help="Cut the present turn of a running team short.")
def interrupt(run: Run, message: Words = "", by: By = "user", store: Store = None) -> None:
    """Cut the present turn of a running team short; what was done is kept, and the message is heard."""
    from quorate.cli import steering

    finish(steering.say("interrupt", run, message, store, by))


@app.command(short_help="Let a running team make no further step.")
def pause(run: Run, by: By = "user", store: Store = None) -> None:
    """Let a running team make no further step. `quorate resume` goes on."""
    from quorate.cli import steering

    finish(steering.say("pause", run, "", store, by))


@app.command(short_help="End a running team after its present turn.")
def stop(run: Run, reason: Words = "", by: By = "user", store: Store = None) -> None:
    """End a running team after its present turn."""
    from quorate.cli import steering

    finish(steering.say("stop", run, reason, store, by))


@app.command(short_help="Do a run again offline and compare it.")
def replay(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN|FILE",
            help="A run, a conversation for its last run, or a .jsonl file of one.",
            show_default=False,
        ),
    ],
    store: Store = None,
    team: TeamFile = None,
    app: App = None,
    as_json: Json = False,
) -> None:
    """Do a run again from its journal, with no outside call, and compare every entry.

    Exits with 0 if it is identical, with 1 at the first difference, which it shows.
    """
    from quorate.cli import replaying

    finish(replaying.replayed(run, store, team, app, as_json=as_json))


@app.command(short_help="Save a conversation in one file.")
def export(
    run: Annotated[str, typer.Argument(metavar="RUN|CONVERSATION", help="Its id.", show_default=False)],
    file: Annotated[str, typer.Argument(metavar="FILE", help="A .jsonl file; - prints it.", show_default=False)],
    store: Store = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists.")] = False,
) -> None:
    """Save a conversation, or its beginning up to the end of a run, in one file of JSON lines.

    The file holds its long texts and its hash chain. It can be replayed, and is a test fixture (docs/replay.md).
    """
    from quorate.cli import replaying

    finish(replaying.export(run, file, store, force=force))


@app.command(short_help="Check that journals are what was written.")
def verify(
    what: Annotated[
        str, typer.Argument(metavar="[RUN|CONVERSATION|all]", help="Whose journal.", show_default=True)
    ] = "all",
    store: Store = None,
    head: Annotated[
        str | None,
        typer.Option(metavar="LENGTH:HASH", help="A head that was given out: finds a journal cut or rewritten."),
    ] = None,
    key: Annotated[
        str | None, typer.Option(metavar="FILE", help="The public key (PEM) of who signed that head.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Recompute the hash chain, and say which entry was altered, is missing, was inserted, or was moved.

    Exits with 1 where one is not what was written.
    """
    from quorate.cli import keeping

    finish(keeping.verify(what, store, head, key, as_json=as_json))


@app.command(short_help="Delete a conversation.")
def delete(
    conversation: Annotated[str, typer.Argument(metavar="CONVERSATION", help="Its whole id.", show_default=False)],
    store: Store = None,
) -> None:
    """Delete a conversation with all its runs. What forks of it share stays theirs."""
    from quorate.cli import keeping

    finish(keeping.delete(conversation, store))


@app.command(short_help="Erase what was said; the chain still verifies.")
def erase(
    what: Annotated[str, typer.Argument(metavar="RUN|CONVERSATION", help="Its id.", show_default=False)],
    entry: Annotated[
        list[int] | None, typer.Option("--entry", metavar="N", help="Only this entry; may be repeated.")
    ] = None,
    path: Annotated[
        list[str] | None, typer.Option("--path", metavar="PATH", help="Only what is at or below it; may be repeated.")
    ] = None,
    store: Store = None,
) -> None:
    """Erase what was said and done; who spoke when, and what it cost, stays, and the hash chain still verifies.

    `quorate show --entries` prints the numbers and paths of entries.
    """
    from quorate.cli import keeping

    finish(keeping.erase(what, store, entry or [], path or []))


@app.command(short_help="Erase or delete what finished long ago.")
def retain(
    older_than: Annotated[str, typer.Option("--older-than", metavar="AGE", help="12h, 30d, 8w.", show_default=False)],
    erase: Annotated[bool, typer.Option("--erase", help="Erase what was said in them.")] = False,
    delete: Annotated[bool, typer.Option("--delete", help="Delete them.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which.")] = False,
    store: Store = None,
) -> None:
    """Erase or delete conversations that finished long ago; those that wait or were interrupted are left alone."""
    from quorate.cli import keeping
    from quorate.errors import ConfigError

    if erase is delete:
        raise ConfigError("Say which: --erase or --delete.")
    finish(keeping.retain(store, older_than, how="delete" if delete else "erase", dry_run=dry_run))


@app.command(name="import", short_help="Take in an exported conversation.")
def take_in(
    file: Annotated[str, typer.Argument(metavar="FILE", help="What `quorate export` wrote.", show_default=False)],
    store: Store = None,
    name: Annotated[str | None, typer.Option("--as", metavar="ID", help="Under this name.")] = None,
) -> None:
    """Take in a conversation that was exported, with its numbers, times and hash chain."""
    from quorate.cli import keeping

    finish(keeping.take_in(file, store, name))


@app.command()
def schema() -> None:
    """Print the JSON schema of team files, for editors."""
    from quorate.cli import files

    files.print_schema()


@app.command(short_help="List installed plugins, and which are enabled.")
def plugins(as_json: Json = False) -> None:
    """List the plugins of installed packages, and which of them quorate.toml enables."""
    from quorate.cli import files

    raise typer.Exit(files.list_plugins(as_json=as_json))


@models_app.command("list")
def list_models() -> None:
    """List the models that can be pulled, and where those are that were."""
    from quorate.cli import files

    files.list_models()


@models_app.command("pull")
def pull_models(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="Which; all by default. Or a GGUF file or its URL.", show_default=False),
    ] = None,
    sha256: Annotated[str | None, typer.Option(metavar="HEX", help="What a GGUF file must have.")] = None,
) -> None:
    """Fetch the weights of the embedded models, checked by their sha256."""
    from quorate.cli import files

    files.pull_models(name, sha256)
