"""Where in a run something happens: `3 turn/1 writer/2 model`.

Every element carries its position in its scope, so that paths sort the same whatever finished first. What a task made
that user code started has no number, since timing would decide it: its position is 0, and after its name stand what
tells it from others (`0 model~5f0c1e9a77b2`) and, from the second time on, how often it was there (`0 fetch~2`).
"""

from __future__ import annotations

import re
from functools import lru_cache

ROOT = ""
WRAP_UP = "wrap up"
"""The scope of a last answer when a limit was reached: part of the result, and of no turn."""

CHOOSE, CHECK = "choose", "check"
"""The scopes in a turn, before its speeches, in which it is asked who speaks, and whether the run is done."""

_LAST = 1 << 60
DIGEST_CHARS = 12
_KEYED = re.compile(rf"((?:.*/)?0 (?:[^/~]|~~)*~)([0-9a-f]{{{DIGEST_CHARS}}})(~\d+)?")


@lru_cache(maxsize=4096)
def _element(position: int, name: str) -> str:
    return f"{position} {name.replace('%', '%25').replace('/', '%2F')}"


def child(path: str, position: int, name: str) -> str:
    """Return the path of `name` at `position` in the scope at `path`."""
    return f"{path}/{_element(position, name)}" if path else _element(position, name)


def turn(base: str, number: int) -> str:
    """Return the path of a turn of the conversation in the scope at `base`: of each there is one."""
    return f"{base}/{number} turn" if base else f"{number} turn"


def choosing(turn: str) -> str:
    """Return the path of the scope in which it is asked who speaks in a turn."""
    return f"{turn}/0 {CHOOSE}"


def keyed(path: str, name: str, digest: str, times: int) -> str:
    """Return the path of what a name and a digest tell from others in the scope at `path`, for the n-th time there."""
    element = name.replace("~", "~~") + (f"~{digest[:DIGEST_CHARS]}" if digest else "")
    return child(path, 0, element if times == 1 else f"{element}~{times}")


def with_digest(path: str, digest: str) -> str:
    """Return a path with another digest in its last element; empty if that has none."""
    found = _KEYED.fullmatch(path)
    return f"{found[1]}{digest[:DIGEST_CHARS]}{found[3] or ''}" if found else ""


def parent(path: str) -> str:
    """Return the path of the scope that `path` is in; the root is in itself."""
    return path.rpartition("/")[0]


def elements(path: str) -> list[tuple[int, str]]:
    """Return position and name of each element, outermost first."""
    found: list[tuple[int, str]] = []
    for part in path.split("/") if path else ():
        position, _, name = part.partition(" ")
        found.append((int(position), name.replace("%2F", "/").replace("%25", "%")))
    return found


def names(path: str, base: str = ROOT) -> tuple[str, ...]:
    """Return the names of the elements of a path, outermost first; with `base` of those below that scope."""
    return tuple(name for _, name in elements(path[len(base) + 1 :] if base else path))


def is_wrap_up(path: str) -> bool:
    """Whether a path is that of a wrap-up, or in it."""
    return path.partition("/")[0].endswith(f" {WRAP_UP}")


def is_check(path: str) -> bool:
    """Whether a path is that of a step in which a condition was asked."""
    return path.rpartition("/")[0].endswith(f"/0 {CHECK}")


def speaker(path: str) -> str:
    """Return who speaks at a path: the agent, empty outside a speech and where the next speaker is chosen."""
    first, _, inside = path.partition("/")
    if is_wrap_up(first):
        return f"({WRAP_UP})"
    position, _, name = inside.partition("/")[0].partition(" ")
    return "" if position in {"", "0"} else name.replace("%2F", "/").replace("%25", "%")


def below(path: str, scope: str) -> bool:
    """Whether `path` lies in the scope at `scope`, not being the scope itself."""
    return not scope or path.startswith(scope + "/")


def sort_key(path: str, *, closing: bool = False) -> tuple[tuple[int, str], ...]:
    """Return what canonical order sorts by: a scope, then what is in it, then what closes it."""
    key = elements(path)
    return (*key, (_LAST, "")) if closing else tuple(key)


def shown(path: str) -> str:
    """Return the path as a person reads it: `turn 3 / writer / model 2`."""
    words = [f"turn {n}" if name == "turn" else f"{name} {n}" if i > 1 and n else name
             for i, (n, name) in enumerate(elements(path))]  # fmt: skip
    return " / ".join(words)
