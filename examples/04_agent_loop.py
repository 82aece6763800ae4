"""An agent loop over MCP: look around, act, read what an error says would be right, and act again.

The model here is scripted, so that the example gives the same each time; put yours in the place of `model`.
"""

import asyncio
import sys
from collections.abc import Generator
from typing import Any

from mcp import Client, StdioServerParameters

Call = tuple[str, dict[str, Any]]


async def main(data: str) -> None:
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "server", "mcp", "--tenant", "agent", "--data", data]
    )
    async with Client(server) as verbena:
        tools = await verbena.list_tools()
        print("tools:", ", ".join(tool.name for tool in tools.tools))
        mind = model()
        tool, arguments = next(mind)
        while True:
            answer = await verbena.call_tool(tool, arguments)
            try:
                tool, arguments = mind.send(answer.structured_content or {})
            except StopIteration as end:
                return print(end.value)


def model() -> Generator[Call, dict[str, Any], str]:
    """Each `yield` is one tool call, and gives what the tool answered."""
    schema = yield "fetch", {"type": "Schema", "id": "Ticket"}
    print("a Ticket starts as", schema["x-transitions"]["status"]["initial"][0])

    made = yield "do", {"code": 'return $.Ticket.create(subject="The lift is stuck", priority="Urgent")'}
    ticket = made["result"]["$id"]

    # A word that does not exist: the hint names the one that does.
    answer = yield "do", {"action": "esclate", "type": "Ticket", "id": ticket}
    print("refused:", answer["error"]["code"], "-", answer["error"]["hint"])
    verb = answer["error"]["hint"].split("'")[1]
    answer = yield "do", {"action": verb, "type": "Ticket", "id": ticket}
    print(answer["events"][0]["event"])

    # A verb that this state does not allow: the details name those that it does.
    answer = yield "do", {"action": "close", "type": "Ticket", "id": ticket}
    print("refused:", answer["error"]["message"])
    for verb in (answer["error"]["details"]["allowed"][0], "close"):
        answer = yield "do", {"action": verb, "type": "Ticket", "id": ticket}
        print(answer["events"][0]["event"])

    found = yield "search", {"query": "lift", "type": "Ticket"}
    return f"{found['results'][0]['title']}: {found['results'][0]['entity']['status']}"


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "data"))
