"""Every verb of the catalogue in its four forms, and English beyond it."""

import pytest

from runtime.catalogue import NOUNS
from runtime.conjugation import event_of, gerund, past_from_event, spellings

# verb, BEFORE, AFTER: all that the catalogue declares
FORMS = """
achieve achieving achieved
activate activating activated
advance advancing advanced
analyze analyzing analyzed
approve approving approved
archive archiving archived
ask asking asked
assign assigning assigned
cancel cancelling cancelled
capture capturing captured
close closing closed
complete completing completed
conclude concluding concluded
connect connecting connected
convert converting converted
decide deciding decided
delegate delegating delegated
deliver delivering delivered
deploy deploying deployed
disable disabling disabled
disconnect disconnecting disconnected
do doing done
downgrade downgrading downgraded
enable enabling enabled
enrich enriching enriched
escalate escalating escalated
expire expiring expired
fail failing failed
finalize finalizing finalized
invite inviting invited
invoke invoking invoked
join joining joined
lapse lapsing lapsed
launch launching launched
learn learning learned
log logging logged
lose losing lost
merge merging merged
miss missing missed
notify notifying notified
pause pausing paused
pay paying paid
process processing processed
publish publishing published
qualify qualifying qualified
reactivate reactivating reactivated
read reading read
record recording recorded
reflect reflecting reflected
refresh refreshing refreshed
refund refunding refunded
remove removing removed
renew renewing renewed
reopen reopening reopened
reset resetting reset
resolve resolving resolved
retire retiring retired
revoke revoking revoked
rollout rollingOut rolledOut
run running ran
schedule scheduling scheduled
score scoring scored
send sending sent
snapshot snapshotting snapshotted
start starting started
stop stopping stopped
submit submitting submitted
succeed succeeding succeeded
suspend suspending suspended
sync syncing synced
trigger triggering triggered
upgrade upgrading upgraded
void voiding voided
win winning won
writeOff writingOff writtenOff
create creating created
update updating updated
delete deleting deleted
restore restoring restored
rollback rollingBack rolledBack
erase erasing erased
"""


def test_every_verb_of_the_catalogue_is_sensible_english() -> None:
    found = {
        (verb.name, verb.gerund, verb.past) for noun in NOUNS for verb in noun.verbs.values() if verb.name != "upsert"
    }
    assert found == {tuple(line.split()) for line in FORMS.strip().splitlines()}


@pytest.mark.parametrize(
    ("verb", "form"),
    [
        ("agree", "agreeing"),
        ("begin", "beginning"),
        ("build", "building"),
        ("buy", "buying"),
        ("checkout", "checkingOut"),
        ("continue", "continuing"),
        ("die", "dying"),
        ("edit", "editing"),
        ("fix", "fixing"),
        ("forget", "forgetting"),
        ("model", "modelling"),
        ("open", "opening"),
        ("panic", "panicking"),
        ("pack", "packing"),
        ("plan", "planning"),
        ("play", "playing"),
        ("quit", "quitting"),
        ("rerun", "rerunning"),
        ("see", "seeing"),
        ("ship", "shipping"),
        ("signUp", "signingUp"),
        ("split", "splitting"),
        ("target", "targeting"),
        ("tie", "tying"),
        ("undo", "undoing"),
        ("unpack", "unpacking"),
        ("unpin", "unpinning"),
        ("visit", "visiting"),
        ("write", "writing"),
    ],
)
def test_a_gerund_follows_from_rules_or_from_the_table(verb: str, form: str) -> None:
    assert gerund(verb) == form


def test_the_declared_event_names_the_past() -> None:
    assert [past_from_event(event) for event in ("Sent", "RolledOut", "Read")] == ["sent", "rolledOut", "read"]


def test_an_upsert_has_no_event_of_its_own() -> None:
    assert [event_of(verb) for verb in ("create", "rollback", "upsert")] == ["Created", "RolledBack", ""]


@pytest.mark.parametrize(
    "words",
    [
        {"cancelling", "canceling"},
        {"cancelled", "canceled"},
        {"modelled", "modeled"},
        {"analyzed", "analysed"},
        {"analyze", "analyse"},
        {"finalizing", "finalising"},
        {"learned", "learnt"},
        {"billed"},
        {"qualified"},
        {"rolledOut"},
        {"modellingOut", "modelingOut"},
    ],
)
def test_spellings_of_both_countries_name_one_form(words: set[str]) -> None:
    assert {word: set(spellings(word)) for word in words} == dict.fromkeys(words, words)
