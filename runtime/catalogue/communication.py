"""What is said: messages, by whatever channel."""

from runtime.declaration import declare

MESSAGE = declare(
    "Message",
    {
        "body": "markdown!",
        "channel": "Email | SMS | Chat | Push",
        "status": "Draft | Sent | Delivered | Read | Failed = Draft",
        "sender": "-> Contact",
        "recipient": "-> Contact",
        "send": "Sent",
        "deliver": "Delivered",
        "read": "Read",
        "fail": "Failed",
    },
    transitions={
        "status": ["create -> Draft", "Draft -send-> Sent -deliver-> Delivered -read-> Read", "Sent -fail-> Failed"]
    },
    inputs={"fail": {"reason": "text"}},
)

NOUNS = (MESSAGE,)
