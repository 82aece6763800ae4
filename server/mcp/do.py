"""`do`: change the business, by Python with `$` or by one named action; all of it, or nothing."""

from server.mcp.tool import Argument, Tool

DO = Tool(
    name="do",
    title="Do business",
    description=(
        "Run Python in which `$` is the business. All changes are committed together, or none on an error; "
        "the last expression is the result. Example: "
        "code = \"deal = $.Deal.findOne(stage='Negotiation')\\n$.Deal.win(deal.id)\\n"
        "$.Activity.create(subject='Call', deal=deal.id)\". "
        "On every noun: get find findOne count aggregate create update upsert delete restore rollback history, and its "
        "own verbs, such as $.Deal.win(id); $.search, $.fetch. No files, no network. "
        "Code kept to run by itself: $.Deal.winning(lambda deal, $: …) before each win, $.Deal.won(…) after it, "
        "$.every('1h', …). "
        'Without code: {"action": "create", "type": "Contact", "data": {"name": "Ada"}}.'
    ),
    arguments={
        "code": Argument(kinds=("string",), description="Python with $"),
        "action": Argument(kinds=("string",), description="Instead of code: a verb, batch, upsert or undo"),
        "type": Argument(kinds=("string",), description="Noun of the action"),
        "id": Argument(kinds=("string",), description="Entity of the action; for undo the run"),
        "data": Argument(
            kinds=("object", "array"),
            description="Values; for batch a list of {action, type, id, data}; for upsert {by, data}",
        ),
        "dryRun": Argument(kinds=("boolean",), description="Only show the plan and its hash"),
        "expect": Argument(kinds=("string",), description="Commit exactly the plan with this hash, or nothing"),
        "idempotencyKey": Argument(
            kinds=("string",), description="Repeating a call with its key gives its first answer"
        ),
    },
    output={
        "type": "object",
        "properties": {
            "result": {},
            "output": {"type": "string"},
            "events": {"type": "array"},
            "handlers": {"type": "array"},
            "hint": {"type": "string"},
            "plan": {"type": "object"},
            "run": {"type": "string"},
        },
    },
    read_only=False,
)
