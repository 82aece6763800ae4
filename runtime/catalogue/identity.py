"""Who may come in: users and the keys of programs."""

from runtime.declaration import declare

USER = declare(
    "User",
    {
        "name": "string!",
        "email": "email!##",
        "avatar": "url",
        "role": "Admin | Member | Viewer",
        "status": "Active | Suspended | Invited = Invited",
        "invite": "Invited",
        "suspend": "Suspended",
        "activate": "Activated",
        "join": "Joined",
        "remove": "Removed",
    },
    transitions={
        "status": [
            "create -> Invited | Active",
            # Inviting once more sends the invitation again.
            "Invited -invite-> Invited",
            "Invited | Suspended -activate-> Active",
            "Active -suspend-> Suspended",
        ]
    },
    inputs={"invite": {"message": "text"}, "suspend": {"reason": "text"}, "remove": {"reason": "text"}},
)

API_KEY = declare(
    "ApiKey",
    {
        "name": "string!",
        "keyPrefix": "string!##",
        "scopes": "string[]",
        "status": "Active | Revoked | Expired = Active",
        "revoke": "Revoked",
        "expire": "Expired",
    },
    transitions={"status": ["create -> Active", "Active -revoke-> Revoked", "Active -expire-> Expired"]},
    inputs={"revoke": {"reason": "text"}},
)

NOUNS = (USER, API_KEY)
