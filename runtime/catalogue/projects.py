"""Work: projects, the issues in them, and what people say about those."""

from runtime.declaration import declare

PROJECT = declare(
    "Project",
    {
        "name": "string!",
        "slug": "string##",
        "description": "text",
        "tags": "string[]",
        "startDate": "date",
        "targetDate": "date",
        "status": "Active | Archived | Completed = Active",
        "visibility": "Public | Private",
        "organization": "-> Organization",
        "owner": "-> Contact",
        "issues": "<- Issue.project[]",
        "archive": "Archived",
        "complete": "Completed",
        "activate": "Activated",
    },
    transitions={
        "status": [
            "create -> Active",
            "Active -archive-> Archived",
            "Active -complete-> Completed",
            "Archived | Completed -activate-> Active",
        ]
    },
)

ISSUE = declare(
    "Issue",
    {
        "title": "string!",
        "description": "text",
        "labels": "string[]",
        "milestone": "string",
        "dueDate": "date",
        "status": "Open | Assigned | InProgress | Review | Done | Closed | Reopened = Open",
        "priority": "Low | Medium | High | Urgent",
        "type": "Bug | Feature | Task | Epic",
        "project": "-> Project.issues",
        "assignee": "-> Contact",
        "reporter": "-> Contact",
        "comments": "<- Comment.issue[]",
        "assign": "Assigned",
        "close": "Closed",
        "reopen": "Reopened",
    },
    transitions={
        "status": [
            "create -> Open",
            "Open | Reopened -assign-> Assigned -> InProgress -> Review -> Done",
            "Done | Open | InProgress | Reopened -close-> Closed -reopen-> Reopened -> Open",
        ]
    },
    inputs={"close": {"reason": "text"}, "reopen": {"reason": "text"}},
)

COMMENT = declare(
    "Comment",
    {
        "body": "markdown!",
        "author": "-> Contact",
        "issue": "-> Issue.comments",
        "resolve": "Resolved",
    },
)

NOUNS = (PROJECT, ISSUE, COMMENT)
