"""Gather the fragments in `changes/` under a version's heading in CHANGELOG.md, and remove them."""

import sys
from pathlib import Path

KINDS = {"added": "Added", "changed": "Changed", "fixed": "Fixed", "removed": "Removed"}
TITLE = "# Changelog\n"


def section(version: str, fragments: dict[str, str]) -> str:
    """Return the part of the changelog for `version`.

    Args:
        version: The heading.
        fragments: Text by file name, `<slug>.<kind>.md`.
    """
    parts = [f"## {version}\n"]
    for kind, heading in KINDS.items():
        texts = [text for name, text in sorted(fragments.items()) if name.split(".")[1] == kind]
        if texts:
            points = ["- " + text.strip().replace("\n", "\n  ") for text in texts]
            parts.append(f"### {heading}\n\n" + "\n".join(points) + "\n")
    return "\n".join(parts)


def main(arguments: list[str]) -> None:
    """Write the changelog of the working directory."""
    if len(arguments) != 1:
        sys.exit("Say which version: make changelog VERSION=0.2.0")
    paths = [path for path in sorted(Path("changes").glob("*.md")) if path.name != "README.md"]
    if not paths:
        sys.exit("changes/ holds no fragment: there is nothing to release.")
    log = Path("CHANGELOG.md")
    before = log.read_text().removeprefix(TITLE) if log.exists() else ""
    log.write_text(f"{TITLE}\n{section(arguments[0], {path.name: path.read_text() for path in paths})}{before}")
    for path in paths:
        path.unlink()


if __name__ == "__main__":
    main(sys.argv[1:])
