"""Plan and undo: read what a `do` would change, commit exactly that, look back, and take it all back."""

import sys

from runtime import Client, VerbenaError, connect

DISCOUNT = """
for deal in $.Deal.find(stage="Prospecting", sort="name"):
    $.Deal.update(deal.id, value=deal.value * 0.9, nextStep="Offer the discount")
return $.Deal.aggregate(measures={"value": "sum(value)"})[0].value
"""


def main(data: str) -> None:
    with connect(data, "plans") as business:
        for name, value in [("Mill", 1000), ("Loom", 500)]:
            business.Deal.upsert({"name": name, "value": value, "source": "Fair"}, by="name")

        plan = business.do(DISCOUNT, dryRun=True).plan
        print(f"would change, and changed nothing:\n{plan.diff}")

        # Somebody is quicker. The plan rests on what it read, so it is not committed any more.
        mill = business.Deal.findOne(name="Mill")
        business.Deal.update(mill.id, source="Referral")
        try:
            business.do(expect=plan.hash)
        except VerbenaError as error:
            print(f"{error.code}: {error.message}")

        plan = business.do(DISCOUNT, dryRun=True).plan
        done = business.do(expect=plan.hash)
        print(f"committed as planned: {done.result} in all")
        look_back(business, mill.id, done.run)

        # A call that may have been carried out is safe to repeat under its key.
        code, key = f'$.undo("{done.run}")\nreturn $.Deal.get("{mill.id}").value', f"undo {done.run}"
        print(f"undone: {business.do(code, idempotencyKey=key).result}")
        print(f"asked again, done once: {business.do(code, idempotencyKey=key).result}")


def look_back(business: Client, mill: str, run: str) -> None:
    set_by = business.Deal.changedBy(mill, "value")
    before = business.Deal.get(mill, asOf=set_by.seq - 1)
    print(f"before {set_by.id} it was {before.value}, set by this run: {set_by.run == run}")
    (mill_since,) = business.Deal.diff(mill, {"from": set_by.seq - 1, "to": "now"}).changed
    print(f"what changed since: {', '.join(mill_since.changes)}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "data")
