"""Close a deal: one `do` wins it, bills it and plans the first call, or does nothing of that."""

import sys

from runtime import Record, VerbenaError, connect

CLOSE = """
deal = $.Deal.get({deal!r}, include="contact")
deal.win(wonReason="The trial convinced them", wonAmount=deal.value)
customer = $.Customer.create(name=deal.contact.name, email=deal.contact.email, contact=deal.contact.id)
invoice = $.Invoice.create(customer=customer.id, subtotal=deal.value, total=deal.value, amountDue=deal.value)
invoice.finalize()
$.Activity.create(subject="Welcome call", type="Call", deal=deal.id, contact=deal.contact.id)
print("billed", deal.contact.name)
return {{"invoice": invoice.id, "amount": invoice.total}}
"""


def main(data: str) -> None:
    with connect(data, "examples") as business:
        grace = business.Contact.upsert({"name": "Grace Hopper", "email": "grace@example.com"}, by="email")
        deal = business.Deal.create(name="Compiler licences", value=1952, contact=grace.id)
        tell(business.do(CLOSE.format(deal=deal.id)))

        # The same again: a deal is won once. The customer and the invoice of this attempt are never written.
        try:
            business.do(CLOSE.format(deal=deal.id))
        except VerbenaError as error:
            print(f"{error.code} at line {error.details['line']}: {error.message}; {error.hint}")
        print(f"invoices of Grace: {business.Invoice.count({'customer.email': 'grace@example.com'})}")


def tell(done: Record) -> None:
    print(f"{done.output.strip()}: {done.result.amount} ({done.run})")
    for event in done.events:
        print(f"  {event.id}  {event.event}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "data")
