"""A report: what stands in the pipeline, who waits for an answer, and what was written this week."""

import sys

from runtime import Client, connect

STOCK = """
if not $.Organization.count():
    for company, industry, value in [("Acme", "Retail", 900), ("Globex", "Energy", 4000), ("Initech", "Retail", 250)]:
        organization = $.Organization.create(name=company, industry=industry)
        person = $.Contact.create(name=f"Someone at {company}", organization=organization.id)
        deal = $.Deal.create(name=f"{company} renewal", value=value, organization=organization.id, contact=person.id)
        if value > 500:
            deal.advance()
    $.Ticket.create(subject="Cannot log in", priority="High", requester=person.id)
"""


def main(data: str) -> None:
    with connect(data, "reports") as business:
        business.do(STOCK)
        pipeline(business)
        waiting(business)


def pipeline(business: Client) -> None:
    measures = {"deals": "count()", "value": "sum(value)", "largest": "max(value)"}
    print("stage            deals   value  largest")
    for row in business.Deal.aggregate("stage", measures, sort="-value"):
        print(f"{row.stage:16} {row.deals:5} {row.value:7} {row.largest:8}")
    for row in business.Deal.aggregate(["organization.industry"], {"value": "sum(value)"}):
        print(f"{row['organization.industry']:16} {row.value:13}")


def waiting(business: Client) -> None:
    page = business.search(
        type="Ticket",
        filter={"status": {"$in": ["Open", "Escalated"]}, "createdAt": {"$gte": "7d ago"}},
        sort="priority,-createdAt",
        include="requester.organization",
        total=True,
    )
    print(f"{page.total} waiting")
    for row in page.results:
        ticket = row.entity
        print(f"  {ticket.priority}: {row.title} ({ticket.requester.name}, {ticket.requester.organization.name})")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "data")
