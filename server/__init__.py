"""The faces: MCP in `mcp/`, HTTP in `http.py`, the command line in `cli/`; all ask the engine over one line."""
