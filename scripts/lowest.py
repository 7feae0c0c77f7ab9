"""Print the lowest version of every dependency as a pip constraint, so that they are written down once."""

import re
import tomllib
from pathlib import Path

BOUND = re.compile(r"(?P<name>[\w.-]+)>=(?P<version>[\w.]+)(?P<marker>\s*;.*)?")


def constraints(pyproject: str) -> list[str]:
    """Return `name==version` for every dependency, of the extras too, that states a lower bound.

    Raises:
        ValueError: A dependency is not written `name>=version`.
    """
    project = tomllib.loads(pyproject)["project"]
    wanted = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    pins: list[str] = []
    for line in wanted:
        bound = BOUND.fullmatch(line)
        if bound:
            pins.append(f"{bound['name']}=={bound['version']}{bound['marker'] or ''}")
        elif not line.startswith(f"{project['name']}["):
            raise ValueError(f"{line!r} has no plain lower bound. Write it as name>=version.")
    return sorted(pins)


if __name__ == "__main__":
    print("\n".join(constraints(Path("pyproject.toml").read_text())))
