// The story of tests/stories/test_mcp.py, told by the official TypeScript client: node story.mjs stdio COMMAND… | http URL
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [way, ...rest] = process.argv.slice(2);
const transport =
  way === "stdio"
    ? new StdioClientTransport({ command: rest[0], args: rest.slice(1), env: process.env, stderr: "inherit" })
    : new StreamableHTTPClientTransport(new URL(rest[0]));

const client = new Client({ name: "story", version: "1.0.0" });
await client.connect(transport);

async function call(name, given) {
  const result = await client.callTool({ name, arguments: given });
  const text = JSON.parse(result.content[0].text);
  if (JSON.stringify(text) !== JSON.stringify(result.structuredContent)) throw new Error("text and structure differ");
  return { ...text, isError: result.isError ?? false };
}

const { tools } = await client.listTools();
const made = await call("do", {
  code: 'ada = $.Contact.create(name="Ada Lovelace", email="ada@example.com")\n' +
    '$.Deal.create(name="Engine", value=1815, contact=ada.id)',
});
const id = made.result.$id;
const found = await call("search", { type: "Deal", filter: { "contact.email": "ada@example.com" } });
const read = await call("fetch", { type: "Deal", id });
const won = await call("do", { action: "win", type: "Deal", id, data: { wonReason: "It works" } });
const again = await call("do", { action: "win", type: "Deal", id });
const history = await call("do", { code: `$.Deal.history("${id}")` });
await client.close();

console.log(
  JSON.stringify({
    tools: tools.map((tool) => tool.name),
    found: found.results.map((row) => row.title),
    sameId: found.results.every((row) => row.id === id),
    read: [read.name, read.stage],
    won: won.result.stage,
    again: [again.isError, again.error.code],
    history: history.result.map((event) => event.event),
  }),
);
