"""Declaring what runs code, and what code needs."""

import asyncio

from autogen_core import CancellationToken
from autogen_core.code_executor import (
    Alias,
    CodeBlock,
    CodeExecutor,
    CodeResult,
    FunctionWithRequirements,
    FunctionWithRequirementsStr,
    ImportFromModule,
    with_requirements,
)


class Pretend(CodeExecutor):
    async def execute_code_blocks(self, code_blocks, cancellation_token):
        return CodeResult(exit_code=0, output=" ".join(block.language for block in code_blocks))

    async def start(self):
        print("start")

    async def stop(self):
        print("stop")

    async def restart(self):
        print("restart")


async def main():
    async with Pretend() as executor:
        print(await executor.execute_code_blocks([CodeBlock("1", "python"), CodeBlock("2", "sh")], CancellationToken()))
        await executor.restart()
    print(Pretend.component_type)
    try:
        CodeExecutor()
    except TypeError:
        print("TypeError")


asyncio.run(main())


@with_requirements(python_packages=["numpy"], global_imports=["os", Alias("numpy", "np")])
def half(x: int) -> float:
    """Halve."""
    return x / 2


print(half(3), half.__name__, half.__doc__, half.python_packages, half.global_imports)
print(isinstance(half, FunctionWithRequirements), half.func(5))
print(ImportFromModule("m", ["a", Alias("b", "c")]), ImportFromModule("m", ("a",)) == ImportFromModule("m", ["a"]))
made = FunctionWithRequirements.from_callable(len, ["p"])
print(made([1, 2]), made.python_packages)
text = FunctionWithRequirements.from_str("def triple(x):\n    return x * 3\n", ["p"], ["os"])
print(
    isinstance(text, FunctionWithRequirementsStr), text.func.splitlines()[0], text.python_packages, text.global_imports
)
try:
    text(1)
except NotImplementedError:
    print("NotImplementedError")
for source in ["x = 1", "def a(): ...\ndef b(): ...\n", "def ("]:
    try:
        FunctionWithRequirements.from_str(source)
    except ValueError:
        print("ValueError")
