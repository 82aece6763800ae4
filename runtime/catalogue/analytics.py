"""What is measured: events of visitors, metrics, funnels and goals."""

from runtime.declaration import declare

# The event of analytics, told by a page or a program. It is not the event log.
EVENT = declare(
    "Event",
    {
        "name": "string!",
        "type": "string! = first(name)",
        "sessionId": "string",
        "userId": "string",
        "anonymousId": "string",
        "url": "url",
        "path": "string",
        "referrer": "string",
        "data": "json",
        "properties": "json",
        "timestamp": "datetime! = now()",
        "source": "Browser | Node | API | Snippet",
        "organization": "-> Organization",
        "update": None,
        "delete": None,
    },
)

METRIC = declare(
    "Metric",
    {
        "name": "string!",
        "unit": "string",
        "dimensions": "json",
        "value": "number!",
        "timestamp": "datetime = now()",
        "type": "Counter | Gauge | Histogram | Summary",
        "organization": "-> Organization",
        "record": "Recorded",
        "reset": "Reset",
        "snapshot": "Snapshotted",
    },
)

FUNNEL = declare(
    "Funnel",
    {
        "name": "string!",
        "description": "text",
        "steps": "json",  # [{name, event}]
        "conversionRate": "number",
        "organization": "-> Organization",
        "analyze": "Analyzed",
        "activate": "Activated",
    },
)

GOAL = declare(
    "Goal",
    {
        "name": "string!",
        "description": "text",
        "unit": "string",
        "target": "number!",
        "current": "number",
        "period": "Daily | Weekly | Monthly | Quarterly | Yearly",
        "status": "OnTrack | AtRisk | Behind | Achieved | Completed | Missed | Reset = OnTrack",
        "metric": "-> Metric",
        "organization": "-> Organization",
        "achieve": "Achieved",
        "complete": "Completed",
        "miss": "Missed",
        "reset": "Reset",
    },
    transitions={
        "status": [
            "create -> OnTrack",
            "OnTrack <-> AtRisk <-> Behind",
            "OnTrack <-> Behind",
            "OnTrack | AtRisk -achieve-> Achieved -complete-> Completed",
            "Behind | AtRisk -miss-> Missed",
            "* -reset-> OnTrack",
        ]
    },
)

NOUNS = (EVENT, METRIC, FUNNEL, GOAL)
