"""What the simulation knows of the nouns it uses, in words of its own: the runtime's reader of declarations is under test too.

Of a shipped noun only the keys that the simulation writes are here. The tenant's own nouns come as a row of forms, each
of which the noun may be changed into next.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key that an entity stores."""

    kind: str  # string, email, number, int, date, datetime, enum, relation
    required: bool = False
    unique: bool = False
    many: bool = False
    default: Any = None
    words: tuple[str, ...] = ()
    target: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """`verb` leads a state from one of `sources` (empty: from any) to `target`."""

    verb: str
    sources: tuple[str, ...] = ()
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """A verb beside the built-in ones: the past form in its event's name, and what it takes and sets."""

    past: str
    inputs: tuple[str, ...] = ()  # texts
    effects: Mapping[str, str] = field(default_factory=dict[str, str])  # key → today or now


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A noun as the model needs it."""

    name: str
    keys: Mapping[str, Key]
    moves: Mapping[str, tuple[Move, ...]] = field(default_factory=dict[str, tuple[Move, ...]])  # state → its moves
    verbs: Mapping[str, Verb] = field(default_factory=dict[str, Verb])
    inverses: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])  # → noun, its key
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])  # former key → present one
    declaration: Mapping[str, Any] | None = None  # of a noun of the tenant's own

    @property
    def prefix(self) -> str:
        """What the ids of its entities begin with."""
        return self.name[0].lower() + self.name[1:]


def _string(**more: Any) -> Key:
    return Key(kind="string", **more)


def _enum(words: str, **more: Any) -> Key:
    return Key(kind="enum", words=tuple(words.split()), **more)


def _link(target: str, **more: Any) -> Key:
    return Key(kind="relation", target=target, **more)


def _move(verb: str, sources: str, target: str) -> Move:
    return Move(verb=verb, sources=tuple(sources.split()), target=target)


_OPEN = "Prospecting Qualification Proposal Negotiation"

SHIPPED = (
    Shape(
        name="Organization",
        keys={
            "name": _string(required=True),
            "slug": _string(unique=True),
            "domain": _string(unique=True),
            "industry": _string(),
            "employeeCount": Key(kind="number"),
            "tier": _enum("Enterprise Business Startup SMB"),
            "status": _enum("Active Inactive Churned Archived", default="Active"),
            "parent": _link("Organization"),
        },
        moves={
            "status": (
                _move("create", "", "Active"),
                _move("update", "Active", "Inactive"),
                _move("update", "Active", "Churned"),
                _move("update", "Inactive Churned", "Archived"),
                _move("update", "Inactive Churned Archived", "Active"),
            )
        },
        verbs={"enrich": Verb(past="enriched"), "score": Verb(past="scored")},
        inverses={
            "subsidiaries": ("Organization", "parent"),
            "contacts": ("Contact", "organization"),
            "deals": ("Deal", "organization"),
            "subscriptions": ("Subscription", "organization"),
        },
    ),
    Shape(
        name="Contact",
        keys={
            "name": _string(required=True),
            "email": Key(kind="email", unique=True),
            "title": _string(),
            "leadScore": Key(kind="number"),
            "lastEngagement": Key(kind="datetime"),
            "role": _enum("DecisionMaker Influencer Champion Blocker User"),
            "stage": _enum("Lead Qualified Customer Churned Partner", default="Lead"),
            "organization": _link("Organization"),
            "manager": _link("Contact"),
        },
        moves={
            "stage": (
                _move("create", "", "Lead"),
                _move("qualify", "Lead", "Qualified"),
                _move("update", "Qualified", "Customer"),
                _move("update", "Customer", "Churned"),
                _move("update", "Customer", "Partner"),
            )
        },
        verbs={
            "qualify": Verb(past="qualified", inputs=("reason",)),
            "capture": Verb(past="captured"),
            "enrich": Verb(past="enriched"),
        },
        inverses={"reports": ("Contact", "manager")},
    ),
    Shape(
        name="Deal",
        keys={
            "name": _string(required=True),
            "value": Key(kind="number", required=True),
            "nextStep": _string(),
            "expectedCloseDate": Key(kind="date"),
            "actualCloseDate": Key(kind="date"),
            "stage": _enum(f"{_OPEN} Closed Won Lost", default="Prospecting"),
            "organization": _link("Organization"),
            "contact": _link("Contact"),
        },
        moves={
            "stage": (
                _move("create", "", "Prospecting"),
                _move("advance", "Prospecting", "Qualification"),
                _move("advance", "Qualification", "Proposal"),
                _move("advance", "Proposal", "Negotiation"),
                _move("close", _OPEN, "Closed"),
                _move("win", _OPEN, "Won"),
                _move("lose", _OPEN, "Lost"),
                _move("reopen", "Won Lost Closed", "Prospecting"),
            )
        },
        verbs={
            "advance": Verb(past="advanced"),
            "close": Verb(past="closed", effects={"actualCloseDate": "today"}),
            "win": Verb(past="won", effects={"actualCloseDate": "today"}),
            "lose": Verb(past="lost", effects={"actualCloseDate": "today"}),
            "reopen": Verb(past="reopened"),
        },
    ),
    Shape(
        name="Subscription",
        keys={
            "quantity": Key(kind="number"),
            "stripeSubscriptionId": _string(unique=True),
            "pausedAt": Key(kind="datetime"),
            "canceledAt": Key(kind="datetime"),
            "endedAt": Key(kind="datetime"),
            "status": _enum(
                "Active PastDue Cancelled Trialing Paused Incomplete Reactivated Upgraded Downgraded",
                default="Active",
            ),
            "organization": _link("Organization"),
        },
        moves={
            "status": (
                _move("create", "", "Trialing"),
                _move("create", "", "Active"),
                _move("activate", "Trialing PastDue Incomplete", "Active"),
                _move("pause", "Active", "Paused"),
                _move("cancel", "Active Paused PastDue", "Cancelled"),
                _move("upgrade", "Active", "Active"),
                _move("downgrade", "Active", "Active"),
                _move("renew", "Active", "Active"),
                _move("reactivate", "Paused Cancelled", "Active"),
                _move("lapse", "Active", "PastDue"),
                _move("expire", "Active Trialing PastDue Paused Incomplete", "Cancelled"),
            )
        },
        verbs={
            "activate": Verb(past="activated"),
            "pause": Verb(past="paused", effects={"pausedAt": "now"}),
            "cancel": Verb(past="cancelled", effects={"canceledAt": "now"}),
            "upgrade": Verb(past="upgraded"),
            "downgrade": Verb(past="downgraded"),
            "renew": Verb(past="renewed"),
            "reactivate": Verb(past="reactivated"),
            "lapse": Verb(past="lapsed"),
            "expire": Verb(past="expired", effects={"endedAt": "now"}),
        },
    ),
)

# The forms that a tenant's own noun goes through, each a change that the contract allows of the one before it.
OWN: Mapping[str, tuple[Shape, ...]] = {
    "Vessel": (
        Shape(
            name="Vessel",
            keys={
                "name": _string(required=True),
                "code": _string(unique=True),
                "tags": _string(many=True),
                "state": _enum("Docked Afloat", default="Docked"),
            },
            inverses={"cabins": ("Cabin", "vessel")},
            declaration={
                "name": "Vessel",
                "keys": {
                    "name": "string!",
                    "code": "string##",
                    "tags": "string[]",
                    "state": "Docked | Afloat = Docked",
                },
            },
        ),
        Shape(
            name="Vessel",
            keys={
                "name": _string(),
                "code": _string(unique=True),
                "labels": _string(many=True),
                "flag": _string(),
                "port": _string(required=True, default="Home"),  # which vessels from before it do not have
                "state": _enum("Docked Afloat Sunk", default="Docked"),
            },
            # A verb whose event is in the enum sets it from any state; update leads to the other words.
            moves={
                "state": (
                    _move("sink", "", "Sunk"),
                    _move("update", "", "Docked"),
                    _move("update", "", "Afloat"),
                )
            },
            verbs={"sink": Verb(past="sunk", inputs=("where",))},
            inverses={"cabins": ("Cabin", "vessel")},
            renamed={"tags": "labels"},
            declaration={
                "name": "Vessel",
                "keys": {
                    "name": "string",
                    "code": "string##",
                    "labels": "string[]",
                    "flag": "string",
                    "port": "string! = Home",
                    "state": "Docked | Afloat | Sunk = Docked",
                    "sink": "Sunk",
                },
                "inputs": {"sink": {"where": "text"}},
                "renamed": {"tags": "labels"},
            },
        ),
        Shape(
            name="Vessel",
            keys={
                "name": _string(),
                "callSign": _string(unique=True),
                "labels": _string(many=True),
                "flag": _string(default="NL"),
                "port": _string(required=True, default="Home"),
                "imo": _string(unique=True),
                "state": _enum("Docked Afloat Sunk", default="Docked"),
            },
            moves={
                "state": (
                    _move("sink", "", "Sunk"),
                    _move("update", "", "Docked"),
                    _move("update", "", "Afloat"),
                )
            },
            verbs={"sink": Verb(past="sunk", inputs=("where",))},
            inverses={"cabins": ("Cabin", "vessel")},
            renamed={"tags": "labels", "code": "callSign"},
            declaration={
                "name": "Vessel",
                "keys": {
                    "name": "string",
                    "callSign": "string##",
                    "labels": "string[]",
                    "flag": "string = NL",
                    "port": "string! = Home",
                    "imo": "string##",
                    "state": "Docked | Afloat | Sunk = Docked",
                    "sink": "Sunk",
                },
                "inputs": {"sink": {"where": "text"}},
                "renamed": {"code": "callSign"},
            },
        ),
    ),
    "Cabin": (
        Shape(
            name="Cabin",
            keys={
                "name": _string(required=True),
                "vessel": _link("Vessel", required=True),
                "neighbours": _link("Cabin", many=True),
                "berths": Key(kind="int", default=2),
            },
            declaration={
                "name": "Cabin",
                "keys": {
                    "name": "string!",
                    "vessel": "-> Vessel.cabins!",
                    "neighbours": "-> Cabin[]",
                    "berths": "int = 2",
                },
            },
        ),
        Shape(
            name="Cabin",
            keys={
                "name": _string(required=True),
                "vessel": _link("Vessel", required=True),
                "neighbours": _link("Cabin", many=True),
                "beds": Key(kind="int", default=2),
                "deck": _string(required=True, default="Main"),  # which cabins from before it do not have
            },
            renamed={"berths": "beds"},
            declaration={
                "name": "Cabin",
                "keys": {
                    "name": "string!",
                    "vessel": "-> Vessel.cabins!",
                    "neighbours": "-> Cabin[]",
                    "beds": "int = 2",
                    "deck": "string! = Main",
                },
                "renamed": {"berths": "beds"},
            },
        ),
        Shape(
            name="Cabin",
            keys={
                "name": _string(required=True),
                "vessel": _link("Vessel"),
                "neighbours": _link("Cabin", many=True),
                "beds": Key(kind="int", default=4),
                "deck": _string(required=True, default="Main"),  # which cabins from before it do not have
            },
            renamed={"berths": "beds"},
            declaration={
                "name": "Cabin",
                "keys": {
                    "name": "string!",
                    "vessel": "-> Vessel.cabins",
                    "neighbours": "-> Cabin[]",
                    "beds": "int = 4",
                    "deck": "string! = Main",
                },
                "renamed": {"berths": "beds"},
            },
        ),
    ),
}

# Changes that must be refused whatever form the noun has: they would lose or break what is stored.
REFUSED: tuple[Mapping[str, Any], ...] = (
    {"name": "Vessel", "keys": {"name": "string"}},
    {"name": "Vessel", "keys": {"name": "int", "code": "string##", "tags": "string[]", "state": "Docked | Afloat"}},
    {"name": "Cabin", "keys": {"name": "string!", "vessel": "-> Vessel.cabins!", "cellar": "string!"}},
    {"name": "Cabin", "keys": {"name": "string!", "vessel": "-> Vesel"}},
    {"name": "Organization", "keys": {"name": "string!"}},
)
