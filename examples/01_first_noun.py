"""A noun of your own: declare it, make one, ask its verbs, and read what happened."""

import sys

from runtime import Noun, VerbenaError, connect

VOYAGE = Noun(
    "Voyage",
    {
        "name": "string!",
        "ship": "string#",
        "crew": "int = 12",
        "departs": "date",
        "captain": "-> Contact.voyages",
        "status": "Planned | Sailing | Arrived = Planned",
        "sail": "Sailed",
        "arrive": "Arrived",
    },
    transitions={"status": ["create -> Planned", "Planned -sail-> Sailing -arrive-> Arrived"]},
    inputs={"sail": {"wind": "string!"}},
    effects={"sail": {"departs": "today()"}},
)


def main(data: str) -> None:
    with connect(data, "examples") as business:
        business.define(VOYAGE)
        ada = business.Contact.upsert({"name": "Ada Lovelace", "email": "ada@example.com"}, by="email")

        voyage = business.Voyage.create(name="North by east", ship="Analytical", captain=ada.id)
        print(f"{voyage.name} is {voyage.status} with a crew of {voyage.crew}")

        try:
            business.Voyage.arrive(voyage.id)
        except VerbenaError as error:
            print(f"{error.code}: {error.message} ({error.hint})")

        voyage = business.Voyage.sail(voyage.id, wind="south-west")
        print(f"{voyage.name} is {voyage.status}")

        # The way back from Contact was never declared: `-> Contact.voyages` made it.
        captain = business.Contact.get(ada.id, include="voyages")
        print(f"{captain.name} sails {', '.join(each.ship for each in captain.voyages)}")

        for event in business.Voyage.history(voyage.id):
            print(f"{event.event} by {event.actor}: {event.input or 'no inputs'}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "data")
