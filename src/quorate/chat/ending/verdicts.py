"""Asking conditions that are no fold: what they say is journaled, and taken in like any fact."""

from __future__ import annotations

from quorate.chat.talk import Talk
from quorate.runs import paths
from quorate.runs.scope import Scope, entered
from quorate.runs.steps import step


def now(root: Scope) -> int:
    """Return the time of a conversation: of the run itself, or of one inside it."""
    return root.at if root.path else root.run.at


def later(root: Scope, at: int) -> None:
    """Let the time of a conversation be `at`, if it is not yet."""
    if root.path:
        root.at = max(root.at, at)
    else:
        root.run.at = max(root.run.at, at)


async def check(root: Scope, path: str, talk: Talk, *, stands: bool) -> None:
    """Ask whether the run is done, before the turn at `path`.

    Args:
        root: The scope of the conversation.
        path: Of the turn.
        talk: The conversation so far.
        stands: Whether it was chosen already who speaks: then only what was answered before is taken in.
    """
    run = root.run
    talk.check_purely(now(root))
    inside = paths.child(path, 0, paths.CHECK)
    with entered(Scope.here(run, inside, now(root))) as scope:
        for at, part in enumerate(talk.cast.asked):
            if part.pure or at in talk.decided:
                continue
            if stands and not any(paths.below(p, inside) and _place(p) == at + 1 for p in run.recorded):
                continue
            if new := talk.unasked(part):
                scope.count = at  # each has a place of its own, whether others are asked or not
                said = await step("condition", lambda part=part, new=new: part.ask(new), effect="read")
                talk.see_verdict(at, said, scope.at)
        later(root, scope.at)
    talk.checked = len(talk.facts)


def _place(path: str) -> int:
    return paths.elements(path)[-1][0]
