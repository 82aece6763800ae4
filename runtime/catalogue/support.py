"""Support: the tickets of people who need help."""

from runtime.declaration import declare

TICKET = declare(
    "Ticket",
    {
        "subject": "string!",
        "description": "text",
        "category": "string",
        "tags": "string[]",
        "firstResponseAt": "datetime",
        "resolvedAt": "datetime",
        "escalatedAt": "datetime",
        "satisfaction": "number",
        "status": "Open | Pending | InProgress | Resolved | Escalated | Closed | Reopened = Open",
        "priority": "Low | Medium | High | Urgent",
        "channel": "Email | Chat | Phone | Web | API",
        "assignee": "-> Contact",
        "requester": "-> Contact",
        "organization": "-> Organization",
        "deal": "-> Deal",
        "assign": "Assigned",
        "resolve": "Resolved",
        "escalate": "Escalated",
        "close": "Closed",
        "reopen": "Reopened",
    },
    transitions={
        "status": [
            "create -> Open",
            "Open -> Pending | InProgress",
            "Open | InProgress | Reopened -escalate-> Escalated",
            "Open | Pending | InProgress | Escalated -resolve-> Resolved",
            "Resolved | Open | Reopened -close-> Closed -reopen-> Reopened -> Open",
        ]
    },
    inputs={
        "resolve": {"resolution": "text"},
        "escalate": {"reason": "text"},
        "close": {"reason": "text"},
        "reopen": {"reason": "text"},
    },
    effects={"resolve": {"resolvedAt": "now()"}, "escalate": {"escalatedAt": "now()"}},
)

NOUNS = (TICKET,)
