"""Sales: organizations, the people in them, leads and deals, what was done about them, and their pipelines."""

from runtime.declaration import declare

ORGANIZATION = declare(
    "Organization",
    {
        "name": "string!",
        "legalName": "string",
        "slug": "string##",
        "domain": "string##",
        # Services hand out "acme.com" as often as an address with its scheme.
        "website": "string",
        "description": "text",
        "logo": "url",
        "source": "string",
        "industry": "string",
        "naicsCode": "string",
        "address": "string",
        "city": "string",
        "state": "string",
        "country": "string",
        "postalCode": "string",
        "timezone": "string",
        "linkedinUrl": "url",
        "twitterHandle": "string",
        "employeeCount": "number",
        "annualRevenue": "number",
        "foundedYear": "number",
        "lifetimeValue": "number",
        "healthScore": "number",
        "npsScore": "number",
        "type": "Prospect | Customer | Partner | Vendor | Competitor",
        "status": "Active | Inactive | Churned | Archived = Active",
        "tier": "Enterprise | Business | Startup | SMB",
        "parent": "-> Organization.subsidiaries",
        "subsidiaries": "<- Organization.parent[]",
        "contacts": "<- Contact.organization[]",
        "deals": "<- Deal.organization[]",
        "subscriptions": "<- Subscription.organization[]",
        "enrich": "Enriched",
        "score": "Scored",
    },
    transitions={
        "status": [
            "create -> Active",
            "Active -> Inactive | Churned -> Archived",
            "Inactive | Churned | Archived -> Active",
        ]
    },
)

CONTACT = declare(
    "Contact",
    {
        "name": "string!",
        "firstName": "string",
        "lastName": "string",
        "email": "email##",
        "phone": "string",
        "mobile": "string",
        "avatar": "url",
        "title": "string",
        "department": "string",
        "source": "string",
        "timezone": "string",
        "language": "string",
        "linkedinUrl": "url",
        "twitterHandle": "string",
        "marketingConsent": "string",
        "leadScore": "number",
        "lastEngagement": "datetime",
        "role": "DecisionMaker | Influencer | Champion | Blocker | User",
        "stage": "Lead | Qualified | Customer | Churned | Partner = Lead",
        "status": "Active | Inactive | Bounced | Unsubscribed",
        "preferredChannel": "Email | Phone | SMS | Chat",
        "organization": "-> Organization.contacts",
        "leads": "<- Lead.contact[]",
        "activities": "<- Activity.contact[]",
        "manager": "-> Contact.reports",
        "reports": "<- Contact.manager[]",
        "qualify": "Qualified",
        "capture": "Captured",
        "assign": "Assigned",
        "merge": "Merged",
        "enrich": "Enriched",
    },
    transitions={"stage": ["create -> Lead", "Lead -qualify-> Qualified -> Customer -> Churned | Partner"]},
    inputs={
        "qualify": {"reason": "text"},
        "assign": {"assignee": "id"},
        "merge": {"into": "id", "duplicate": "id"},
    },
)

LEAD = declare(
    "Lead",
    {
        "name": "string!",
        "source": "string!",
        "sourceDetail": "string",
        "authority": "string",
        "need": "string",
        "timeline": "string",
        "lostReason": "string",
        "score": "number",
        "budget": "number",
        "convertedAt": "datetime",
        "lostAt": "datetime",
        "firstTouchAt": "datetime",
        "lastActivityAt": "datetime",
        "status": "New | Contacted | Qualified | Converted | Lost = New",
        "contact": "-> Contact.leads",
        "organization": "-> Organization",
        "owner": "-> Contact",
        "campaign": "-> Campaign.leads",
        "deal": "-> Deal.leads",
        "convert": "Converted",
        "lose": "Lost",
    },
    transitions={
        "status": [
            "create -> New",
            "New -> Contacted -> Qualified -convert-> Converted",
            "New | Contacted | Qualified -lose-> Lost",
            "Lost -> New",
        ]
    },
    effects={"convert": {"convertedAt": "now()"}, "lose": {"lostAt": "now()"}},
)

DEAL = declare(
    "Deal",
    {
        "name": "string!",
        "currency": "string",
        "description": "text",
        "nextStep": "string",
        "competitorNotes": "text",
        "lostReason": "string",
        "wonReason": "string",
        "source": "string",
        "value": "number!",
        "recurringValue": "number",
        "wonAmount": "number",
        "probability": "number",
        "expectedCloseDate": "date",
        "actualCloseDate": "date",
        "lastActivityAt": "datetime",
        "recurringInterval": "Monthly | Quarterly | Yearly",
        "stage": "Prospecting | Qualification | Proposal | Negotiation | Closed | Won | Lost = Prospecting",
        "organization": "-> Organization.deals",
        "contact": "-> Contact",
        "owner": "-> Contact",
        "leads": "<- Lead.deal[]",
        "campaign": "-> Campaign",
        "activities": "<- Activity.deal[]",
        "close": "Closed",
        "win": "Won",
        "lose": "Lost",
        "advance": "Advanced",
        "reopen": "Reopened",
    },
    transitions={
        "stage": [
            "create -> Prospecting",
            "Prospecting -advance-> Qualification -advance-> Proposal -advance-> Negotiation",
            "Prospecting | Qualification | Proposal | Negotiation -close-> Closed",
            "Prospecting | Qualification | Proposal | Negotiation -win-> Won",
            "Prospecting | Qualification | Proposal | Negotiation -lose-> Lost",
            "Won | Lost | Closed -reopen-> Prospecting",
        ]
    },
    effects={
        "close": {"actualCloseDate": "today()"},
        "win": {"actualCloseDate": "today()"},
        "lose": {"actualCloseDate": "today()"},
    },
)

ACTIVITY = declare(
    "Activity",
    {
        "subject": "string!",
        "description": "text",
        "timezone": "string",
        "outcome": "text",
        "recordingUrl": "url",
        "meetingLink": "url",
        "dueAt": "datetime",
        "startAt": "datetime",
        "endAt": "datetime",
        "completedAt": "datetime",
        "reminderAt": "datetime",
        "duration": "number",
        "allDay": "boolean",
        "type": "Call | Email | Meeting | Task | Note | Demo | FollowUp",
        "status": "Pending | InProgress | Completed | Cancelled = Pending",
        "priority": "Low | Medium | High | Urgent",
        "deal": "-> Deal.activities",
        "contact": "-> Contact.activities",
        "organization": "-> Organization",
        "campaign": "-> Campaign",
        "assignee": "-> Contact",
        "createdBy": "-> Contact",
        "complete": "Completed",
        "cancel": "Cancelled",
        "log": "Logged",
    },
    transitions={
        "status": [
            "create -> Pending",
            "Pending -> InProgress -complete-> Completed",
            "Pending | InProgress -cancel-> Cancelled",
        ]
    },
    inputs={"cancel": {"reason": "text"}, "log": {"note": "text"}},
    effects={"complete": {"completedAt": "now()"}},
)

PIPELINE = declare(
    "Pipeline",
    {
        "name": "string!",
        "slug": "string##",
        "description": "text",
        "isDefault": "boolean",
        "stages": "json",  # [{name, probability, order}]
        "dealRotting": "number",  # days
    },
)

NOUNS = (ORGANIZATION, CONTACT, LEAD, DEAL, ACTIVITY, PIPELINE)
