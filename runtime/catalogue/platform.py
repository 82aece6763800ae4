"""What runs by itself: workflows, integrations with services, and agents."""

from runtime.declaration import declare

WORKFLOW = declare(
    "Workflow",
    {
        "name": "string!",
        "description": "text",
        "triggerEvent": "string!",
        "steps": "json",
        "retryPolicy": "json",
        "timeout": "number",
        "version": "number",
        "runCount": "number",
        "successCount": "number",
        "failureCount": "number",
        "lastRunAt": "datetime",
        "errorHandling": "Stop | Continue | Fallback",
        "status": "Draft | Active | Activated | Paused | Triggered | Archived = Draft",
        "organization": "-> Organization",
        "activate": "Activated",
        "pause": "Paused",
        "trigger": "Triggered",
        "archive": "Archived",
    },
    transitions={
        "status": [
            "create -> Draft",
            # Triggered passes: a workflow that was triggered can be triggered again, or put back to Activated.
            "Draft -activate-> Activated -trigger-> Triggered -trigger-> Triggered -> Activated",
            "Activated | Triggered -pause-> Paused -activate-> Activated",
            "Activated | Paused -archive-> Archived",
        ]
    },
    inputs={"trigger": {"input": "json"}},
    effects={"trigger": {"runCount": "+1", "lastRunAt": "now()"}},
)

INTEGRATION = declare(
    "Integration",
    {
        "name": "string!",
        "slug": "string##",
        "description": "text",
        "provider": "string!",
        "providerUrl": "url",
        "providerLogo": "url",
        "oauthScopes": "string",
        "configSchema": "json",
        "apiBaseUrl": "url",
        "featured": "boolean",
        "webhookSupport": "boolean",
        "category": "Payment | CRM | Marketing | Analytics | Communication | Storage | AI | Other",
        "authType": "OAuth2 | ApiKey | Basic | Custom",
        "status": "Available | Connected | Disconnected | Synced | ComingSoon | Deprecated = Available",
        "connect": "Connected",
        "disconnect": "Disconnected",
        "sync": "Synced",
        "fail": "Failed",
    },
    transitions={
        "status": [
            "create -> Available | ComingSoon",
            "Available | Disconnected -connect-> Connected",
            "Connected | Synced -sync-> Synced",
            "Connected | Synced -disconnect-> Disconnected -> Available",
            "ComingSoon -> Available -> Deprecated",
        ]
    },
    inputs={"fail": {"reason": "text"}},
)

AGENT = declare(
    "Agent",
    {
        "name": "string!",
        "slug": "string##",
        "description": "text",
        "avatar": "url",
        "model": "string",
        "systemPrompt": "text",
        "instructions": "text",
        "persona": "text",
        "tags": "string[]",
        "temperature": "number",
        "maxTokens": "number",
        "memoryWindow": "number",
        "totalTokens": "number",
        "totalCost": "number",
        "averageLatency": "number",
        "successRate": "number",
        "rating": "number",
        "ratingCount": "number",
        "version": "number",
        "tools": "json",
        "functions": "json",
        "knowledgeBases": "json",
        "publishedAt": "datetime",
        "type": "Assistant | Autonomous | Workflow | Specialist | Router",
        "status": "Draft | Active | Deployed | Paused | Stopped | Retired | Archived = Draft",
        "visibility": "Private | Team | Organization | Public",
        "memory": "None | Session | Persistent",
        "organization": "-> Organization",
        "owner": "-> Contact",
        "do": "Done",
        "ask": "Asked",
        "decide": "Decided",
        "approve": "Approved",
        "notify": "Notified",
        "delegate": "Delegated",
        "escalate": "Escalated",
        "learn": "Learned",
        "reflect": "Reflected",
        "invoke": "Invoked",
        "deploy": "Deployed",
        "pause": "Paused",
        "stop": "Stopped",
        "retire": "Retired",
    },
    transitions={
        "status": [
            "create -> Draft",
            "Draft -> Active -deploy-> Deployed -pause-> Paused -deploy-> Deployed",
            "Deployed | Paused -stop-> Stopped -retire-> Retired -> Archived",
        ]
    },
    inputs={
        "do": {"task": "text", "input": "json", "context": "json"},
        "ask": {"question": "text", "input": "json", "context": "json"},
        "decide": {"question": "text", "options": "json", "context": "json"},
        "approve": {"request": "text", "subject": "id", "reason": "text", "context": "json"},
        "notify": {"message": "text", "recipient": "id", "channel": "string", "context": "json"},
        "delegate": {"task": "text", "to": "id", "input": "json", "context": "json"},
        "escalate": {"reason": "text", "to": "id", "ticket": "id", "context": "json"},
        "learn": {"lesson": "text", "source": "string", "input": "json", "context": "json"},
        "reflect": {"topic": "text", "input": "json", "context": "json"},
        "invoke": {"action": "string", "ticket": "id", "input": "json", "context": "json"},
    },
)

NOUNS = (WORKFLOW, INTEGRATION, AGENT)
