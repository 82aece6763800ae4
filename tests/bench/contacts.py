"""The contacts that the tenants of the benches hold: realistic values, the same each time."""

from datetime import UTC, datetime, timedelta
from typing import Any

FIRST_NAMES = (
    "Ada", "Aoife", "Bruno", "Carla", "Daan", "Elin", "Farid", "Grace", "Hannah", "Ingrid", "Iris", "Johan",
    "Kenji", "Lena", "Lucia", "Maja", "Marco", "Nadia", "Niamh", "Olga", "Pablo", "Pieter", "Quentin", "Robin",
    "Samir", "Sanne", "Tomas", "Uma", "Viktor", "Wren", "Xenia", "Yui", "Zoe", "Amara", "Boris", "Chiara", "Dmitri",
    "Esther", "Felix", "Greta",
)  # fmt: skip
LAST_NAMES = (
    "Ashford", "Bakker", "Berg", "Brennan", "Calloway", "Castillo", "Doyle", "Ek", "Fischer", "Garcia", "Holloway",
    "Ivanov", "Jansen", "Kowalski", "Lindqvist", "Moreau", "Nakamura", "Nyman", "Okafor", "Ortega", "Patel",
    "Quist", "Rossi", "Ruiz", "Schneider", "Solberg", "Tanaka", "Ueda", "Vargas", "Visser", "Weber", "Whitfield",
    "Xu", "Yilmaz", "Zhang", "Abara", "Bianchi", "Conti", "Dubois", "Eriksen", "Fontaine", "Grant", "Hughes", "Ito",
    "Jovanovic", "Keller", "Larsen", "Mancini", "Novak", "Olsen",
)  # fmt: skip
TITLES = ("Head of Purchasing", "Operations Director", "Founder", "Process Engineer", "Finance Manager", "Planner")
DEPARTMENTS = ("Purchasing", "Operations", "Management", "Engineering", "Finance")
SOURCES = ("Event", "Website", "Referral", "Import", "Newsletter", "Partner", "Call")
LANGUAGES = ("en", "de", "es", "ja", "sv", "nl", "fr", "it")
TIMEZONES = ("Europe/Oslo", "Europe/Berlin", "Asia/Tokyo", "America/New_York")
STAGES = ("Lead", "Lead", "Qualified", "Lead", "Customer", "Churned", "Lead", "Partner")
ROLES = ("DecisionMaker", "Influencer", "Champion", "Blocker", "User")
STATUSES = ("Active", "Active", "Inactive", "Bounced", "Active", "Unsubscribed")
CHANNELS = ("Email", "Phone", "SMS", "Chat")
BEGINNING = datetime(2024, 1, 1, tzinfo=UTC)
# A prime, so that no field repeats in step with the names.
_STRIDE = 7919


def contact(number: int) -> dict[str, Any]:
    """The values of the contact with this number, always the same."""
    first = FIRST_NAMES[number % len(FIRST_NAMES)]
    last = LAST_NAMES[number // len(FIRST_NAMES) % len(LAST_NAMES)]
    turn = number * _STRIDE
    return {
        "name": f"{first} {last}",
        "firstName": first,
        "lastName": last,
        "email": f"{first}.{last}.{number}@example.com".lower(),
        "phone": f"+49 30 {turn % 10_000_000:07}",
        "title": TITLES[turn % len(TITLES)],
        "department": DEPARTMENTS[turn // 3 % len(DEPARTMENTS)],
        "source": SOURCES[turn // 5 % len(SOURCES)],
        "timezone": TIMEZONES[turn // 7 % len(TIMEZONES)],
        "language": LANGUAGES[turn // 11 % len(LANGUAGES)],
        "leadScore": turn // 13 % 100,
        "lastEngagement": (BEGINNING + timedelta(minutes=turn % 1_000_000)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "role": ROLES[turn // 17 % len(ROLES)],
        "stage": STAGES[turn // 19 % len(STAGES)],
        "status": STATUSES[turn // 23 % len(STATUSES)],
        "preferredChannel": CHANNELS[turn // 29 % len(CHANNELS)],
    }
