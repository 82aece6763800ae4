"""The forms of a verb: `qualify` asks, `qualifying` is BEFORE, `qualified` is AFTER and the event's name.

The past is never worked out: a noun declares the event, and the event's name is the authority. Only the gerund follows
from rules, with the irregular ones in a table, and a declaration may override it. Spellings that differ by country
(`cancelling`, `canceling`) name the same form.
"""

import re
from collections.abc import Mapping


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_BUILT_IN_EVENTS: Mapping[str, str] = {
    "create": "Created",
    "update": "Updated",
    "upsert": "",  # makes the event of what it turns out to be: Created or Updated
    "delete": "Deleted",
    "restore": "Restored",
    "rollback": "RolledBack",
    "erase": "Erased",
}

# Verbs written as one word whose gerund is two.
_COMPOUNDS: Mapping[str, str] = {
    "backup": "backingUp",
    "buyout": "buyingOut",
    "checkin": "checkingIn",
    "checkout": "checkingOut",
    "cleanup": "cleaningUp",
    "followup": "followingUp",
    "handoff": "handingOff",
    "handover": "handingOver",
    "kickoff": "kickingOff",
    "login": "loggingIn",
    "logoff": "loggingOff",
    "logon": "loggingOn",
    "logout": "loggingOut",
    "lookup": "lookingUp",
    "optin": "optingIn",
    "optout": "optingOut",
    "payout": "payingOut",
    "pickup": "pickingUp",
    "rollback": "rollingBack",
    "rollout": "rollingOut",
    "setup": "settingUp",
    "shutdown": "shuttingDown",
    "signin": "signingIn",
    "signoff": "signingOff",
    "signout": "signingOut",
    "signup": "signingUp",
    "standby": "standingBy",
    "takeover": "takingOver",
    "timeout": "timingOut",
    "writeoff": "writingOff",
}

_IRREGULAR: Mapping[str, str] = {
    "age": "ageing",
    "be": "being",
    "dye": "dyeing",
    "mimic": "mimicking",
    "ok": "okaying",
    "panic": "panicking",
    "picnic": "picnicking",
    "quit": "quitting",
    "quiz": "quizzing",
    "requeue": "requeuing",
    "singe": "singeing",
    "traffic": "trafficking",
}

# Longer verbs that are stressed on their last syllable, or double by habit: submit, submitting.
_DOUBLED = _words(
    "abet abhor acquit admit allot annul backlog befit begin commit compel concur confer control debug defer demur "
    "deter disbar dispel embed emit equip excel expel extol forget format handicap impel incur infer inset inter "
    "kidnap occur offset omit outbid outrun outwit patrol permit preset prefer program propel rebel rebut recommit "
    "recur refer refit regret remit repel rerun reset resubmit rollup snapshot sublet submit transfer transmit "
    "typeset unplug unwrap unzip upset worship zigzag"
)
# Longer verbs in -l that double it in one country and not in the other: cancelling, canceling.
_EITHER_L = _words(
    "apparel bevel cancel carol channel chisel counsel dial dishevel distil drivel duel enamel enrol equal fuel fulfil "
    "funnel gambol gravel grovel impanel initial instal instil jewel kennel label level libel marshal marvel medal "
    "metal model panel parcel pedal pencil petal pummel quarrel refuel relabel remodel revel rival shovel shrivel "
    "signal snivel spiral stencil swivel symbol tassel tinsel total towel trammel travel tunnel unravel victual "
    "yodel"
)
_PREFIX = re.compile(r"(?:re|un|pre|out|over|under|de|dis|mis)(?=[bcdfgklmnprstvwz])")
# One short vowel between consonants (qu is one): plan, planning; but not fix, show, play.
_SHORT = re.compile(r"(?:[^aeiou]*(?:qu)?)[aeiouy][bdfgklmnprstvz]")
# What a prefix may stand before: rerun, unpin, remap. Without the list "reopen" or "render" would be cut too.
_SHORT_VERBS = _words(
    "bid bit cap cut dig dim drop fit flag get hit jam lap let log map net pin plan plot plug put rig rub run set "
    "shot skin spin stop tag tap tip trim win wrap zip"
)

_FIRST_WORD = re.compile(r"[a-z0-9]+")
_L_FORM = re.compile(r"([a-z]+?l)l?(ing|ed)")
_S_FORM = re.compile(r"([a-z]{2,}[iy])[sz](e|ed|ing|es)")
# Two pasts that are both English.
_PAIRS = (
    ("learned", "learnt"),
    ("spelled", "spelt"),
    ("burned", "burnt"),
    ("dreamed", "dreamt"),
    ("leaned", "leant"),
    ("proved", "proven"),
    ("showed", "shown"),
    ("got", "gotten"),
    ("focusing", "focussing"),
    ("focused", "focussed"),
    ("biasing", "biassing"),
    ("biased", "biassed"),
    ("benefiting", "benefitting"),
    ("benefited", "benefitted"),
    ("targeting", "targetting"),
    ("targeted", "targetted"),
    ("aging", "ageing"),
    ("requeuing", "requeueing"),
)


def past_from_event(event: str) -> str:
    """The AFTER form and event name of a declared event: `RolledOut` gives `rolledOut`."""
    return event[:1].lower() + event[1:]


def event_of(verb: str) -> str:
    """The event of a built-in verb; empty for `upsert`, which makes the event of what it turns out to be."""
    return _BUILT_IN_EVENTS[verb]


def gerund(verb: str) -> str:
    """The BEFORE form: `qualify` gives `qualifying`. Of several words the first changes: `writeOff`, `writingOff`."""
    if verb.lower() in _COMPOUNDS and verb.islower():
        return _COMPOUNDS[verb]
    found = _FIRST_WORD.match(verb)
    first = found[0] if found else verb
    return _gerund_of_word(first) + verb[len(first) :]


def spellings(form: str) -> frozenset[str]:
    """Every accepted spelling of a verb, gerund or past, itself among them: `cancelled`, `canceled`."""
    found = _FIRST_WORD.match(form)
    if found is None:
        return frozenset((form,))
    first, rest = found[0], form[found.end() :]
    words = {first}
    if (of_l := _L_FORM.fullmatch(first)) and of_l[1] in _EITHER_L:
        words |= {of_l[1] + of_l[2], of_l[1] + "l" + of_l[2]}
    if of_s := _S_FORM.fullmatch(first):
        words |= {of_s[1] + "s" + of_s[2], of_s[1] + "z" + of_s[2]}
    for pair in _PAIRS:
        if first in pair:
            words |= set(pair)
    return frozenset(word + rest for word in words)


def _gerund_of_word(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith("ie"):
        return word[:-2] + "ying"
    if word.endswith("e") and not word.endswith(("ee", "oe", "ye")) and len(word) > 2:
        return word[:-1] + "ing"
    return word + word[-1:] + "ing" if _doubles(word) else word + "ing"


def _doubles(word: str) -> bool:
    if word in _DOUBLED or word in _EITHER_L or _SHORT.fullmatch(word):
        return True
    bare = _PREFIX.sub("", word, count=1)
    return bare != word and bare in _SHORT_VERBS
