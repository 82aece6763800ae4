"""Hooks: code that the business keeps, asked before each close and run after it; what failed is tried again."""

import sys
from itertools import islice
from typing import Any

from runtime import VerbenaError, connect


def needs_an_amount(deal: Any, _: Any) -> dict[str, Any]:
    if not deal.wonAmount:
        raise ValueError(f"{deal.name} cannot be closed without a won amount")
    return {"wonReason": deal.wonReason or "Not said"}


def bill(deal: Any, here: Any) -> None:
    customer = here.Customer.findOne(contact=deal.contact)
    here.Invoice.create(customer=customer.id, subtotal=deal.wonAmount, total=deal.wonAmount, amountDue=deal.wonAmount)


def plan_the_kick_off(deal: Any, here: Any) -> None:
    here.Activity.create(subject=f"Kick off {deal.name}", type="Meeting", deal=deal.id)


def main(data: str) -> None:
    with connect(data, "hooks") as business:
        # What is sent is their source. It stays when this script has ended; run again, it takes its own place.
        business.Deal.closing(needs_an_amount)
        business.Deal.closed(bill)
        business.Deal.closed(plan_the_kick_off)
        for handler in business.handlers.list():
            print(f"{handler.kind} {handler.pattern}: {handler.name}")

        ada = business.Contact.create(name="Ada Lovelace")
        deal = business.Deal.create(name="Engine", value=1815, contact=ada.id)
        try:
            business.Deal.close(deal.id)
        except VerbenaError as error:
            print(f"{error.code}: {error.message}")

        with business.events.subscribe("Run.*") as ended:
            closed = business.Deal.close(deal.id, wonAmount=1800)
            print(f"{closed.stage}: {closed.wonReason}")
            runs = {event.after.name: event.after for event in islice(ended, 3)}
            for name, run in runs.items():
                print(f"  {name}: {run.status}")

            # Nobody had made Ada a customer. The deal is closed all the same; only the run is done again.
            business.Customer.create(name=ada.name, contact=ada.id)
            business.runs.retry(runs["bill"].id)
            print(f"tried again: {next(event for event in ended if event.event == 'Run.succeeded').after.name}")
        print(f"billed: {business.Invoice.findOne({'customer.contact': ada.id}).total}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "data")
