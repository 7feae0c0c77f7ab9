"""A workbench as configuration, in the program that knows its functions."""

import asyncio
import json
import warnings

from autogen_core import ComponentModel
from autogen_core.tools import FunctionTool, StaticStreamWorkbench, StaticWorkbench, ToolOverride, Workbench


def shout(text: str) -> str:
    return text.upper()


async def main():
    for cls in [StaticWorkbench, StaticStreamWorkbench]:
        bench = cls([FunctionTool(shout, "Shout.")], {"shout": ToolOverride(name="yell")})
        text = bench.dump_component().model_dump_json()
        data = json.loads(text)
        print(data["provider"], data["component_type"], data["version"], data["label"])
        print(data["config"]["tools"][0]["provider"], data["config"]["tool_overrides"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = Workbench.load_component(ComponentModel.model_validate_json(text))
        print(type(loaded) is cls, [tool["name"] for tool in await loaded.list_tools()])
        print((await loaded.call_tool("yell", {"text": "hey"})).to_text())


asyncio.run(main())
