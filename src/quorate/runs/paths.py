"""Where in a run something happens: `3 turn/1 writer/2 model`.

Every element carries its position in its scope, so that paths sort the same whatever finished first.
"""

from __future__ import annotations

from functools import lru_cache

ROOT = ""
_LAST = 1 << 60


@lru_cache(maxsize=4096)
def _quoted(name: str) -> str:
    return name.replace("%", "%25").replace("/", "%2F")


def child(path: str, position: int, name: str) -> str:
    """Return the path of `name` at `position` in the scope at `path`."""
    return f"{path}/{position} {_quoted(name)}" if path else f"{position} {_quoted(name)}"


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


def below(path: str, scope: str) -> bool:
    """Whether `path` lies in the scope at `scope`, not being the scope itself."""
    return not scope or path.startswith(scope + "/")


def sort_key(path: str, *, closing: bool = False) -> tuple[tuple[int, str], ...]:
    """Return what canonical order sorts by: a scope, then what is in it, then what closes it."""
    key = elements(path)
    return (*key, (_LAST, "")) if closing else tuple(key)


def shown(path: str) -> str:
    """Return the path as a person reads it: `turn 3 / writer / model 2`."""
    words = [f"turn {n}" if name == "turn" else f"{name} {n}" if i > 1 else name
             for i, (n, name) in enumerate(elements(path))]  # fmt: skip
    return " / ".join(words)
