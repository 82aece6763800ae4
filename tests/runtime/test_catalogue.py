"""The 35 shipped nouns: their keys, their state machines, and that they come through the same door as anyone's."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime import values
from runtime.catalogue import NOUNS, shipped
from runtime.declaration import from_data
from runtime.noun import Noun
from runtime.vocabulary import Vocabulary

VOCABULARY = shipped()
REFERENCE = Path(__file__).parents[2] / "../shared/reference/nouns.md"

# noun.field: initial states; then "from -verb-> to", where "update" is a plain update and * is any state
MACHINES = {
    "User.status": """Invited Active; Invited -invite-> Invited; Invited Suspended -activate-> Active;
        Active -suspend-> Suspended""",
    "ApiKey.status": "Active; Active -revoke-> Revoked; Active -expire-> Expired",
    "Organization.status": """Active; Active -update-> Inactive Churned; Inactive Churned -update-> Archived;
        Inactive Churned Archived -update-> Active""",
    "Contact.stage": """Lead; Lead -qualify-> Qualified; Qualified -update-> Customer;
        Customer -update-> Churned Partner""",
    "Lead.status": """New; New -update-> Contacted; Contacted -update-> Qualified; Qualified -convert-> Converted;
        New Contacted Qualified -lose-> Lost; Lost -update-> New""",
    "Deal.stage": """Prospecting; Prospecting -advance-> Qualification; Qualification -advance-> Proposal;
        Proposal -advance-> Negotiation; Prospecting Qualification Proposal Negotiation -close-> Closed;
        Prospecting Qualification Proposal Negotiation -win-> Won;
        Prospecting Qualification Proposal Negotiation -lose-> Lost; Won Lost Closed -reopen-> Prospecting""",
    "Activity.status": """Pending; Pending -update-> InProgress; InProgress -complete-> Completed;
        Pending InProgress -cancel-> Cancelled""",
    "Product.status": "Draft; Draft Archived -update-> Active; Active -update-> Archived",
    "Plan.status": """Draft; Draft Archived -update-> Active; Active -update-> Grandfathered;
        Active Grandfathered -update-> Archived""",
    "Subscription.status": """Trialing Active; Trialing PastDue Incomplete -activate-> Active; Active -pause-> Paused;
        Active Paused PastDue -cancel-> Cancelled; Active -upgrade-> Active; Active -downgrade-> Active;
        Active -renew-> Active; Paused Cancelled -reactivate-> Active; Active -lapse-> PastDue;
        Active Trialing PastDue Paused Incomplete -expire-> Cancelled""",
    "Invoice.status": """Draft; Draft -finalize-> Open; Open -pay-> Paid; Open -void-> Voided;
        Open -writeOff-> Uncollectible""",
    "Payment.status": """Pending; Pending -capture-> Succeeded; Pending -succeed-> Succeeded; Pending -fail-> Failed;
        Succeeded -refund-> Refunded""",
    "Project.status": """Active; Active -archive-> Archived; Active -complete-> Completed;
        Archived Completed -activate-> Active""",
    "Issue.status": """Open; Open Reopened -assign-> Assigned; Assigned -update-> InProgress;
        InProgress -update-> Review; Review -update-> Done; Done Open InProgress Reopened -close-> Closed;
        Closed -reopen-> Reopened; Reopened -update-> Open""",
    "Content.status": """Draft; Draft Scheduled Archived -publish-> Published; Draft -schedule-> Scheduled;
        Published -archive-> Archived""",
    "Site.status": """Draft; Draft Maintenance -update-> Published; Published -update-> Draft;
        Draft Published -update-> Maintenance""",
    "Ticket.status": """Open; Open -update-> Pending InProgress; Open InProgress Reopened -escalate-> Escalated;
        Open Pending InProgress Escalated -resolve-> Resolved; Resolved Open Reopened -close-> Closed;
        Closed -reopen-> Reopened; Reopened -update-> Open""",
    "Goal.status": """OnTrack; AtRisk Behind -update-> OnTrack; OnTrack Behind -update-> AtRisk;
        OnTrack AtRisk -update-> Behind; OnTrack AtRisk -achieve-> Achieved; Achieved -complete-> Completed;
        Behind AtRisk -miss-> Missed; * -reset-> OnTrack""",
    "Campaign.status": """Draft; Draft -update-> Scheduled; Draft Scheduled Paused -launch-> Launched;
        Launched -pause-> Paused; Launched Paused -complete-> Completed; Draft Scheduled -update-> Cancelled""",
    "Form.status": """Draft; Draft Archived -publish-> Published; Published -submit-> Published;
        Published -archive-> Archived""",
    "Experiment.status": """Draft; Draft -start-> Started; Started Paused -update-> Running;
        Started Paused -run-> Running; Started Running -pause-> Paused; Running -conclude-> Concluded;
        Concluded -update-> Completed; Completed Stopped -update-> Archived; Paused -stop-> Stopped""",
    "FeatureFlag.status": """Draft; Draft -update-> Active; Active Paused -enable-> Enabled;
        Enabled -rollout-> RolledOut; RolledOut Disabled -update-> Archived; Enabled -disable-> Disabled;
        Disabled -update-> Paused""",
    "Workflow.status": """Draft; Draft Paused -activate-> Activated; Activated Triggered -trigger-> Triggered;
        Triggered -update-> Activated; Activated Triggered -pause-> Paused; Activated Paused -archive-> Archived""",
    "Integration.status": """Available ComingSoon; Available Disconnected -connect-> Connected;
        Connected Synced -sync-> Synced; Connected Synced -disconnect-> Disconnected;
        Disconnected ComingSoon -update-> Available; Available -update-> Deprecated""",
    "Agent.status": """Draft; Draft -update-> Active; Active Paused -deploy-> Deployed; Deployed -pause-> Paused;
        Deployed Paused -stop-> Stopped; Stopped -retire-> Retired; Retired -update-> Archived""",
    "Message.status": """Draft; Draft -send-> Sent; Sent -deliver-> Delivered; Delivered -read-> Read;
        Sent -fail-> Failed""",
}

# By the verb's event being a word of no enum: these make their event and change no state.
EVENT_ONLY = {
    "User": {"join", "remove"},
    "Organization": {"enrich", "score"},
    "Contact": {"capture", "assign", "merge", "enrich"},
    "Activity": {"log"},
    "Invoice": {"fail"},
    "Comment": {"resolve"},
    "Asset": {"process"},
    "Ticket": {"assign"},
    "Metric": {"record", "reset", "snapshot"},
    "Funnel": {"analyze", "activate"},
    "Segment": {"refresh"},
    "Integration": {"fail"},
    "Agent": {"do", "ask", "decide", "approve", "notify", "delegate", "escalate", "learn", "reflect", "invoke"},
}


def _steps(machine: str) -> set[tuple[str, str | None, str]]:
    """(verb, source, target) of each arrow; create has no source."""
    initial, *arrows = [" ".join(part.split()) for part in machine.split(";")]
    steps: set[tuple[str, str | None, str]] = {("create", None, state) for state in initial.split()}
    for arrow in arrows:
        found = re.fullmatch(r"(.+) -(\w+)-> (.+)", arrow)
        assert found, arrow
        steps |= {
            (found[2], None if source == "*" else source, target)
            for source in found[1].split()
            for target in found[3].split()
        }
    return steps


def test_the_state_machines_are_those_of_the_reference_and_no_others() -> None:
    declared: dict[str, set[tuple[str, str | None, str]]] = {}
    for noun in NOUNS:
        for move in noun.transitions:
            steps = declared.setdefault(f"{noun.name}.{move.field}", set())
            steps |= {(move.verb, source, move.target) for source in move.sources or [None]}
    assert declared == {name: _steps(machine) for name, machine in MACHINES.items()}


def test_the_verbs_that_change_no_state_are_these() -> None:
    found = {
        noun.name: {
            name
            for name, verb in noun.verbs.items()
            if not verb.built_in and all(move.verb != name for move in noun.transitions)
        }
        for noun in NOUNS
    }
    assert {name: verbs for name, verbs in found.items() if verbs} == EVENT_ONLY


@pytest.mark.parametrize("name", [name for name in MACHINES if name not in ("Subscription.status", "Form.status")])
def test_every_state_can_be_reached_from_a_new_entity(name: str) -> None:
    noun_name, field = name.split(".")
    noun = VOCABULARY.noun(noun_name)
    # Words of the enums upstream that nothing leads to: they are kept for data that has them.
    unreachable = {
        "Goal": {"Reset"},
        "Campaign": {"Active"},
        "Workflow": {"Active"},
        "Agent": set[str](),
    }.get(noun_name, set())
    reached = {move.target for move in noun.transitions if move.verb == "create"}
    while True:
        more = {
            move.target
            for move in noun.transitions
            if move.verb != "create" and (move.sources is None or move.sources & reached)
        }
        if more <= reached:
            break
        reached |= more
    assert reached == set(noun.fields[field].values) - unreachable


def test_there_are_thirty_five_nouns_in_one_vocabulary() -> None:
    assert (len(NOUNS), len(VOCABULARY.names)) == (35, 35)


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.name)
def test_a_shipped_noun_is_data_as_a_strangers_is(noun: Noun) -> None:
    assert from_data(noun.declaration) == noun


def test_an_event_of_analytics_can_be_neither_changed_nor_deleted() -> None:
    assert set(VOCABULARY.noun("Event").verbs) == {"create", "erase"}


def test_defaults_are_those_that_create_leads_to() -> None:
    defaults = {
        f"{noun.name}.{field.name}": field.default
        for noun in NOUNS
        for field in noun.fields.values()
        if field.default is not None
    }
    starts = {name: machine.split(";")[0].split() for name, machine in MACHINES.items()}
    assert {name: default for name, default in defaults.items() if name not in starts} == {
        "Event.type": "first(name)",
        "Event.timestamp": "now()",
        "Metric.timestamp": "now()",
    }
    assert {name for name, initial in starts.items() if defaults[name] not in initial} == set()


def _documented() -> Iterator[tuple[str, str, str]]:
    """(noun, kind, declared text) of every cell in the tables of the reference."""
    for line in REFERENCE.read_text().splitlines():
        cells = [cell.strip() for cell in line.split(" | ")]
        noun = re.match(r"\| \*\*(\w+)\*\*", line)
        if noun and len(cells) == 5:
            kinds = ("scalar", "enum", "relation", "verb")
            yield from ((noun[1], kind, cell) for kind, cell in zip(kinds, cells[1:], strict=True))


@pytest.mark.skipif(not REFERENCE.exists(), reason="needs the folder `shared` beside the checkout")
def test_no_key_enum_word_relation_or_verb_of_the_reference_is_missing() -> None:
    missing: list[str] = []
    cells = list(_documented())
    kinds = {"n": ("number",), "b": ("boolean",), "d": ("date",), "dt": ("datetime",), "j": ("json",)}
    for name, kind, cell in cells:
        noun = VOCABULARY.noun(name)
        if kind == "scalar":
            for letter, listed in re.findall(r"\*\*(\w+)\*\*: ([^;|]+)", cell):
                for key, marks in re.findall(r"(\w+)([!#]*)", listed):
                    field = noun.fields.get(key)
                    allowed = (*values.STRING_TYPES, "json") if letter == "s" else kinds[letter]
                    if field is None or field.type not in allowed or ("##" in marks) != field.unique:
                        missing.append(f"{name}.{key}{marks} ({letter})")
        elif kind == "enum":
            for key, words in re.findall(r"(\w+): ([\w/]+)", cell):
                if not set(words.split("/")) <= set(noun.fields[key].values):
                    missing.append(f"{name}.{key}: {words}")
        elif kind == "relation":
            for key, target, inverse in re.findall(r"(\w+) -> (\w+)(?:\.(\w+))?", cell):
                if (noun.fields[key].target, noun.fields[key].inverse or "") != (target, inverse):
                    missing.append(f"{name}.{key} -> {target}.{inverse}")
            for key, source, far_key, many in re.findall(r"(\w+) <- (\w+)\.(\w+)(\[\])?", cell):
                inverse = noun.inverses[key]
                if (inverse.source, inverse.key, inverse.many) != (source, far_key, bool(many)):
                    missing.append(f"{name}.{key} <- {source}.{far_key}")
        else:
            for key, event in re.findall(r"(\w+)->(\w+)", cell):
                if noun.verbs[key].event != event:
                    missing.append(f"{name}.{key}->{event}")
    assert len({name for name, _, _ in cells}) == 35
    assert missing == []


def test_the_vocabulary_of_the_catalogue_is_that_of_its_nouns_in_any_order() -> None:
    assert Vocabulary.of(reversed(NOUNS)).names == VOCABULARY.names
