"""The peer of `do`: FastMCP in code mode over one tool that does nothing. Runs in an environment of its own."""

from fastmcp import FastMCP  # pyright: ignore[reportMissingImports, reportUnknownVariableType]
from fastmcp.experimental.transforms.code_mode import (  # pyright: ignore[reportMissingImports]
    CodeMode,  # pyright: ignore[reportUnknownVariableType]
)

server = FastMCP("code-mode", transforms=[CodeMode()])  # pyright: ignore[reportUnknownVariableType]


@server.tool  # pyright: ignore[reportUnknownMemberType, reportUntypedFunctionDecorator]
def empty() -> None:
    """Do nothing."""


if __name__ == "__main__":
    server.run(show_banner=False)  # pyright: ignore[reportUnknownMemberType]
