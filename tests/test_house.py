"""Promises about ourselves: names, layers, imports, records. Nobody would notice one of them break."""

import ast
import re
import subprocess
import sys
import tokenize
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).parents[1]
SOURCE = REPO / "src" / "quorate"
DECISIONS = REPO / "docs" / "decisions"
PYPROJECT: dict[str, Any] = tomllib.loads((REPO / "pyproject.toml").read_text())

# A new name is a promise: think, then add it here. Removing or renaming one is a change for `changes/`.
PUBLIC = [
    "Agent",
    "AgentTool",
    "Approval",
    "AssistantAgent",
    "Budget",
    "Chat",
    "CodeExecutorAgent",
    "Condition",
    "Consensus",
    "Console",
    "CostTermination",
    "Debate",
    "Delegate",
    "DiGraph",
    "DiGraphBuilder",
    "DiGraphEdge",
    "DiGraphNode",
    "Expiry",
    "ExternalTermination",
    "FunctionCallTermination",
    "FunctionalTermination",
    "GraphFlow",
    "Handoff",
    "HandoffMessage",
    "HandoffTermination",
    "Image",
    "IndependentVote",
    "Limits",
    "MagenticOneGroupChat",
    "MaxMessageTermination",
    "MessageFilterAgent",
    "MultiModalMessage",
    "NestedChats",
    "NoProgressTermination",
    "OperationKey",
    "Outcome",
    "Price",
    "Question",
    "ResultTermination",
    "Review",
    "RoundRobinGroupChat",
    "SelectorGroupChat",
    "SocietyOfMindAgent",
    "SourceMatchTermination",
    "StopMessage",
    "StopMessageTermination",
    "StructuredMessage",
    "Summary",
    "Swarm",
    "TaskResult",
    "Team",
    "TeamTool",
    "TextMentionTermination",
    "TextMessage",
    "TextMessageTermination",
    "TimeoutTermination",
    "TokenUsageTermination",
    "Tool",
    "Turn",
    "UserProxyAgent",
    "answering",
    "ask",
    "branch",
    "compare",
    "conversation",
    "effects",
    "fork",
    "load_team",
    "open_store",
    "quorum",
    "replay",
    "step",
    "tool",
]

FIRST_IMPORT = "from quorate import AssistantAgent, RoundRobinGroupChat, tool"
HEAVY = [
    "anthropic",
    "asyncpg",
    "genai_prices",
    "httpx",
    "httpx2",
    "numpy",
    "openai",
    "pydantic",
    "pydantic_core",
    "opentelemetry",
    "rich",
    "sqlalchemy",
    "tokenizers",
    "typer",
    "xllamacpp",
    "yaml",
]


def tracked_files() -> list[Path]:
    """Return what is in the repository, or would be after `git add`; without git everything but hidden folders."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        paths = [REPO / name for name in listed.stdout.split("\0") if name]
    else:
        paths = [path for path in REPO.rglob("*") if not path.relative_to(REPO).parts[0].startswith(".")]
    return [path for path in paths if path.is_file() and "__pycache__" not in path.parts]


def named(path: Path, line: int, text: str) -> str:
    return f"{path.relative_to(REPO)}:{line} {text.strip()}"


def comments(pattern: re.Pattern[str], paths: Iterable[Path]) -> Iterator[tuple[Path, int, str]]:
    """Yield the comments of Python files in which a pattern is found."""
    for path in paths:
        if path.suffix == ".py" and pattern.search(path.read_text()):
            with path.open("rb") as file:
                for token in tokenize.tokenize(file.readline):
                    if token.type == tokenize.COMMENT and pattern.search(token.string):
                        yield path, token.start[0], token.string


# --- the package ------------------------------------------------------------------------------------------------------


def test_public_names_are_the_promised_ones() -> None:
    import quorate

    assert sorted(quorate.__all__) == PUBLIC
    assert all(hasattr(quorate, name) for name in PUBLIC)
    assert set(PUBLIC) <= set(dir(quorate))


def test_first_import_loads_nothing_heavy() -> None:
    script = f"import sys\n{FIRST_IMPORT}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"

    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert loaded.returncode == 0, loaded.stderr
    assert not set(HEAVY) & set(loaded.stdout.split())


def test_importing_every_module_writes_nothing_and_sets_up_no_logging(tmp_path: Path) -> None:
    modules = [
        ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted(SOURCE.rglob("*.py"))
        if path.name != "__main__.py"
    ]
    script = (
        f"import importlib, logging\nfor name in {modules}: importlib.import_module(name)\n"
        "ours = [n for n in logging.root.manager.loggerDict if n[:7] == 'quorate' and logging.getLogger(n).handlers]\n"
        "assert not logging.root.handlers and not ours, ours"
    )

    run = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stderr
    assert list(tmp_path.iterdir()) == []


def test_layers_are_exactly_the_rooms_there_are() -> None:
    rooms = {path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    layers = next(c["layers"] for c in PYPROJECT["tool"]["importlinter"]["contracts"] if c["id"] == "layers")

    placed = [room.strip() for layer in layers for room in layer.split("|")]

    assert sorted(placed) == sorted(rooms - {"__init__"})


def test_no_module_imports_from_the_root() -> None:
    found: list[str] = []
    for path in SOURCE.rglob("*.py"):
        text = path.read_text()
        for node in (
            ast.walk(ast.parse(text)) if re.search(r"(import|from)\s+quorate\b(?!\.)|,\s*quorate\b", text) else ()
        ):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            module = node.module if isinstance(node, ast.ImportFrom) else None
            if "quorate" in names or (module == "quorate" and path != SOURCE / "__init__.py"):
                found.append(named(path, getattr(node, "lineno", 0), "imports the root: name the module instead"))

    assert found == []


def test_package_is_marked_as_typed() -> None:
    assert (SOURCE / "py.typed").exists()


# --- the text ---------------------------------------------------------------------------------------------------------

LATER = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b(?!\(#\d+\): \w)")
SUPPRESSION = re.compile(r"#\s*(?:noqa|type:\s*ignore|pyright:|pragma:|ruff:)", re.IGNORECASE)
REASONED = re.compile(
    r"#\s*(?:noqa: [A-Z]+\d+(?:, ?[A-Z]+\d+)*|pyright: ignore\[[\w, ]+\]|pragma: no cover)"
    r"[\s#:-]+\w+"
)


def test_work_left_for_later_names_its_issue() -> None:
    assert [named(*comment) for comment in comments(LATER, tracked_files())] == []


def test_suppressions_name_a_rule_and_a_reason() -> None:
    ours = [path for path in tracked_files() if "tests" not in path.relative_to(REPO).parts]
    bare = [named(*comment) for comment in comments(SUPPRESSION, ours)]

    assert [text for text in bare if not REASONED.search(text)] == []


@pytest.mark.parametrize(
    ("comment", "good"),
    [
        ("# noqa: S608  # the table is a constant", True),
        ("# noqa: S608", False),
        ("# noqa", False),
        ("# pyright: ignore[reportUnknownMemberType]  # no stubs there", True),
        ("# pyright: ignore  # no stubs there", False),
        ("# type: ignore[attr]  # no stubs there", False),
        ("# pragma: no cover - only on Windows", True),
    ],
)
def test_reason_is_recognised(comment: str, good: bool) -> None:
    assert SUPPRESSION.search(comment)
    assert bool(REASONED.search(comment)) is good


OF_ONE_MACHINE = re.compile(r"(?<![\w.~-])/(?:work|farm|root|home)/[\w.]|pypi[.]org|pythonhosted[.]org|npmjs[.]org")


def test_no_tracked_file_knows_a_machine_or_a_registry() -> None:
    found: list[str] = []
    for path in tracked_files():
        try:
            lines = path.read_text().splitlines()
        except UnicodeDecodeError:
            continue
        found += [named(path, n, line) for n, line in enumerate(lines, 1) if OF_ONE_MACHINE.search(line)]

    assert found == []


# --- the records ------------------------------------------------------------------------------------------------------


def test_decisions_are_numbered_once_each() -> None:
    names = [path.name for path in DECISIONS.glob("*.md")]
    numbers = Counter(name[:4] for name in names)

    assert [name for name in names if not re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", name)] == []
    assert [number for number, times in numbers.items() if times > 1] == []


def test_decisions_say_what_the_template_asks() -> None:
    def headings(path: Path) -> list[str]:
        return re.findall(r"^## (.+)$", path.read_text(), re.MULTILINE)

    template, *records = sorted(DECISIONS.glob("*.md"))

    missing = {path.name: set(headings(template)) - set(headings(path)) for path in records}
    assert {name: asked for name, asked in missing.items() if asked} == {}


def dependencies() -> set[str]:
    project = PYPROJECT["project"]
    lines = [
        *PYPROJECT["build-system"]["requires"],
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
        *(line for group in PYPROJECT["dependency-groups"].values() for line in group if isinstance(line, str)),
    ]
    return {re.split(r"[^\w.-]", line)[0] for line in lines} - {project["name"]}


def test_every_dependency_has_its_line_in_the_decisions() -> None:
    rows = [line for path in DECISIONS.glob("*.md") for line in path.read_text().splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    explained = Counter(row[0].strip("`") for row in cells if len(row) == 5 and all(row))

    assert {name: explained[name] for name in dependencies() if explained[name] != 1} == {}
    assert set(explained) - dependencies() == set()


def test_fragments_name_a_change_and_its_kind() -> None:
    names = [path.name for path in (REPO / "changes").iterdir() if path.name != "README.md"]

    assert [name for name in names if not re.fullmatch(r"[a-z0-9-]+\.(added|changed|fixed|removed)\.md", name)] == []


def test_guide_for_agents_stays_one_page() -> None:
    assert len((REPO / "AGENTS.md").read_text().splitlines()) < 80


def test_ci_and_readme_use_the_same_commands() -> None:
    commands = [line for line in (REPO / ".ci" / "run").read_text().splitlines() if line.startswith("make ")]
    check = re.search(r"^check: (.*?) ##", (REPO / "Makefile").read_text(), re.MULTILINE)

    assert {"make lint", "make test"} <= set(commands)
    assert check
    assert sorted(f"make {target}" for target in check[1].split()) == sorted(commands)
    assert re.search(r"^\s*make test\b", (REPO / "README.md").read_text(), re.MULTILINE)


def test_make_lists_every_target_that_people_use() -> None:
    makefile = (REPO / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony

    listed = subprocess.run(["make"], cwd=REPO, capture_output=True, text=True, check=True).stdout

    silent = {target for target in phony[1].split() if f"make {target} " not in listed}
    assert silent == {"weights", "new-venv", "other-python"}
