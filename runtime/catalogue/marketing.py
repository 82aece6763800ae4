"""Marketing: campaigns, the segments they go to, and the forms people answer."""

from runtime.declaration import declare

CAMPAIGN = declare(
    "Campaign",
    {
        "name": "string!",
        "slug": "string##",
        "description": "text",
        "currency": "string",
        "landingPageUrl": "url",
        "utmSource": "string",
        "utmMedium": "string",
        "utmCampaign": "string",
        "startDate": "date",
        "endDate": "date",
        "launchedAt": "datetime",
        "budget": "number",
        "actualCost": "number",
        "targetLeads": "number",
        "targetRevenue": "number",
        "actualLeads": "number",
        "actualRevenue": "number",
        "roi": "number",
        "type": "Email | Social | Content | Event | Paid | Webinar | Referral",
        "status": "Draft | Scheduled | Active | Launched | Paused | Completed | Cancelled = Draft",
        "leads": "<- Lead.campaign[]",
        "organization": "-> Organization",
        "owner": "-> Contact",
        "segment": "-> Segment",
        "launch": "Launched",
        "pause": "Paused",
        "complete": "Completed",
    },
    transitions={
        "status": [
            "create -> Draft",
            "Draft -> Scheduled",
            "Draft | Scheduled | Paused -launch-> Launched -pause-> Paused",
            "Launched | Paused -complete-> Completed",
            "Draft | Scheduled -> Cancelled",
        ]
    },
    effects={"launch": {"launchedAt": "now()"}},
)

SEGMENT = declare(
    "Segment",
    {
        "name": "string!",
        "description": "text",
        "criteria": "json",  # {type, filter}
        "memberCount": "number",
        "isDynamic": "boolean",
        "organization": "-> Organization",
        "refresh": "Refreshed",
    },
    effects={"refresh": {"memberCount": "count(criteria) if isDynamic"}},
)

FORM = declare(
    "Form",
    {
        "name": "string!",
        "description": "text",
        "fields": "json",
        "submissionCount": "number",
        "status": "Draft | Active | Published | Archived = Draft",
        "organization": "-> Organization",
        "publish": "Published",
        "archive": "Archived",
        "submit": "Submitted",
    },
    transitions={
        "status": [
            "create -> Draft",
            "Draft | Archived -publish-> Published -archive-> Archived",
            "Published -submit-> Published",
        ]
    },
    inputs={"submit": {"data": "json", "contact": "id"}},
    effects={"submit": {"submissionCount": "+1"}},
)

NOUNS = (CAMPAIGN, SEGMENT, FORM)
