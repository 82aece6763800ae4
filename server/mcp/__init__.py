"""The MCP face: three tools as values here, the server that offers them in `server.py`, standard input in `stdio.py`.

The tools stand apart from the protocol, so that the command line can read the same arguments without loading it.
"""

from server.mcp.do import DO
from server.mcp.fetch import FETCH
from server.mcp.search import SEARCH

TOOLS = (SEARCH, FETCH, DO)

__all__ = ["DO", "FETCH", "SEARCH", "TOOLS"]
