"""The floor that our tools are held to: the SDK's own high-level server with one tool that does nothing.

Run with a file, the tool gives the JSON object in it, as compact text and as structured content like ours; run without
one, it is the smallest server that can list a tool.
"""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

from mcp.server import MCPServer
from mcp_types import CallToolResult, TextContent
from pydantic import BaseModel, ConfigDict


class Anything(BaseModel):
    """An object of any keys."""

    model_config = ConfigDict(extra="allow")


def build(payload: dict[str, Any]) -> MCPServer:
    """A server whose tool `echo` gives `payload`."""
    floor = MCPServer("floor")
    text = json.dumps(payload, separators=(",", ":"), ensure_ascii=False)

    async def echo(id: str = "") -> Annotated[CallToolResult, Anything]:
        """Give the same answer as always."""
        return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=payload)

    floor.add_tool(echo)
    return floor


if __name__ == "__main__":
    build(json.loads(Path(sys.argv[1]).read_text()) if len(sys.argv) > 1 else {}).run("stdio")
