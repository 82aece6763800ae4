"""The demo tenant: a small firm that sells workshop software, made by one `do`, the same each time.

It is one unit, so the tenant is either empty or whole, and it goes through the same door as anybody's change: what it
shows is what an agent could have written.
"""

from typing import Any, Protocol, cast


class Business(Protocol):
    """What the demo needs of a connected client."""

    def ask(self, call: str, arguments: dict[str, Any]) -> Any: ...


def fill(business: Business) -> bool:
    """Make the demo where nothing has happened yet; False where something has."""
    if _has_history(business.ask("events", {"limit": 1})):
        return False
    business.ask("do", {"code": PROGRAM})
    return True


def _has_history(answer: Any) -> bool:
    """Whether a page of the log holds anything."""
    return bool(cast("dict[str, Any]", answer)["events"] if isinstance(answer, dict) else answer)


PROGRAM = """\
organizations = {}
for name, domain, industry, tier, kind, employees, city, country in [
    ("Harbor & Vale", "harborvale.example", "Furniture", "Business", "Customer", 140, "Bergen", "Norway"),
    ("Lindqvist Timber", "lindqvist.example", "Forestry", "Enterprise", "Customer", 2300, "Umea", "Sweden"),
    ("Ortega Ceramics", "ortega.example", "Retail", "SMB", "Customer", 18, "Valencia", "Spain"),
    ("Brightwater Cycles", "brightwater.example", "Manufacturing", "Business", "Customer", 85, "Leeds", "England"),
    ("Nakamura Glass", "nakamura.example", "Manufacturing", "Enterprise", "Prospect", 960, "Nagoya", "Japan"),
    ("Foxglove Studio", "foxglove.example", "Design", "SMB", "Prospect", 9, "Portland", "United States"),
    ("Meridian Freight", "meridian.example", "Logistics", "Enterprise", "Prospect", 5400, "Rotterdam", "Netherlands"),
    ("Quarry Lane Partners", "quarrylane.example", "Consulting", "Business", "Partner", 60, "Dublin", "Ireland"),
]:
    organizations[name] = $.Organization.create(
        name=name, domain=domain, website="https://" + domain, industry=industry, tier=tier, type=kind,
        employeeCount=employees, city=city, country=country,
    ).id

contacts = {}
for name, title, role, organization, score in [
    ("Ingrid Solberg", "Managing Director", "DecisionMaker", "Harbor & Vale", 91),
    ("Tomas Berg", "Workshop Lead", "Champion", "Harbor & Vale", 77),
    ("Elin Lindqvist", "Chief Operating Officer", "DecisionMaker", "Lindqvist Timber", 95),
    ("Johan Nyman", "Production Planner", "User", "Lindqvist Timber", 58),
    ("Maja Ek", "Head of Purchasing", "Influencer", "Lindqvist Timber", 66),
    ("Lucia Ortega", "Owner", "DecisionMaker", "Ortega Ceramics", 84),
    ("Pablo Ruiz", "Studio Manager", "User", "Ortega Ceramics", 49),
    ("Hannah Whitfield", "Operations Director", "DecisionMaker", "Brightwater Cycles", 88),
    ("Samir Patel", "Assembly Supervisor", "Champion", "Brightwater Cycles", 71),
    ("Grace Holloway", "Finance Manager", "Blocker", "Brightwater Cycles", 35),
    ("Kenji Nakamura", "President", "DecisionMaker", "Nakamura Glass", 80),
    ("Yui Tanaka", "Process Engineer", "Champion", "Nakamura Glass", 74),
    ("Iris Calloway", "Founder", "DecisionMaker", "Foxglove Studio", 62),
    ("Daan Visser", "Director of Operations", "DecisionMaker", "Meridian Freight", 79),
    ("Sanne de Boer", "Fleet Planner", "Influencer", "Meridian Freight", 55),
    ("Pieter Bakker", "Head of IT", "Blocker", "Meridian Freight", 41),
    ("Aoife Brennan", "Partner", "Influencer", "Quarry Lane Partners", 68),
    ("Niamh Doyle", "Consultant", "Champion", "Quarry Lane Partners", 52),
    ("Robin Ashford", "Account Executive", "User", None, 10),
    ("Wren Takahashi", "Customer Success Lead", "User", None, 10),
]:
    email = name.lower().replace(" ", ".") + "@" + (
        organization.lower().split(" ")[0] + ".example" if organization else "trellis.example"
    )
    values = {"name": name, "title": title, "role": role, "email": email, "leadScore": score}
    if organization:
        values["organization"] = organizations[organization]
    contacts[name] = $.Contact.create(values).id
for name in ["Ingrid Solberg", "Elin Lindqvist", "Lucia Ortega", "Hannah Whitfield", "Kenji Nakamura", "Daan Visser"]:
    $.Contact.qualify(contacts[name])
robin, wren = contacts["Robin Ashford"], contacts["Wren Takahashi"]

campaign = $.Campaign.create(
    name="Autumn workshop tour", slug="autumn-tour-2026", type="Event", budget=24000, currency="EUR",
    targetLeads=40, startDate="2026-09-01", endDate="2026-11-30", owner=robin,
).id
$.Campaign.launch(campaign)
for person, score in [("Iris Calloway", 62), ("Yui Tanaka", 74), ("Sanne de Boer", 55)]:
    $.Lead.create(name=person, source="Event", score=score, contact=contacts[person], campaign=campaign, owner=robin)

deals = {}
for name, organization, contact, value, steps, close, end in [
    ("Harbor & Vale: second workshop", "Harbor & Vale", "Ingrid Solberg", 18500, 3, "2026-12-15", None),
    ("Harbor & Vale: first workshop", "Harbor & Vale", "Tomas Berg", 12400, 3, "2026-05-20", "win"),
    ("Lindqvist: all sawmills", "Lindqvist Timber", "Elin Lindqvist", 96000, 3, "2026-12-20", None),
    ("Lindqvist: pilot", "Lindqvist Timber", "Johan Nyman", 15000, 3, "2026-06-30", "win"),
    ("Ortega: kiln planning", "Ortega Ceramics", "Lucia Ortega", 4200, 3, "2026-08-11", "win"),
    ("Brightwater: assembly line", "Brightwater Cycles", "Hannah Whitfield", 33000, 2, "2027-01-15", None),
    ("Brightwater: spare parts", "Brightwater Cycles", "Samir Patel", 9800, 3, "2026-07-02", "win"),
    ("Brightwater: paint shop", "Brightwater Cycles", "Grace Holloway", 14000, 1, "2026-09-10", "lose"),
    ("Nakamura: furnace schedule", "Nakamura Glass", "Kenji Nakamura", 72000, 2, "2027-02-28", None),
    ("Foxglove: studio", "Foxglove Studio", "Iris Calloway", 2400, 0, "2027-01-31", None),
    ("Meridian: depot pilot", "Meridian Freight", "Daan Visser", 41000, 1, "2027-03-31", None),
    ("Meridian: customs desk", "Meridian Freight", "Pieter Bakker", 26000, 0, "2027-06-30", None),
]:
    deal = $.Deal.create(
        name=name, value=value, currency="EUR", expectedCloseDate=close, owner=robin,
        organization=organizations[organization], contact=contacts[contact],
    ).id
    for step in range(steps):
        $.Deal.advance(deal)
    if end == "win":
        $.Deal.win(deal, {"wonReason": "Shorter planning every week"})
    elif end == "lose":
        $.Deal.lose(deal, {"lostReason": "No budget this year"})
    deals[name] = deal

for subject, kind, deal, contact, due, finished in [
    ("Walk through the sawmill plan", "Demo", "Lindqvist: all sawmills", "Elin Lindqvist", "11-12T09:00", True),
    ("Send the framework agreement", "Task", "Lindqvist: all sawmills", "Maja Ek", "11-27T12:00", False),
    ("Discuss the second workshop", "Call", "Harbor & Vale: second workshop", "Ingrid Solberg", "11-24T10:30", False),
    ("Visit the assembly line", "Meeting", "Brightwater: assembly line", "Hannah Whitfield", "12-03T08:00", False),
    ("Answer the questions on security", "Email", "Meridian: depot pilot", "Pieter Bakker", "11-25T15:00", False),
    ("Introduce the furnace schedule", "Demo", "Nakamura: furnace schedule", "Yui Tanaka", "11-18T01:00", True),
]:
    activity = $.Activity.create(
        subject=subject, type=kind, dueAt="2026-" + due + ":00Z",
        deal=deals[deal], contact=contacts[contact], assignee=robin,
    ).id
    if finished:
        $.Activity.update(activity, status="InProgress")
        $.Activity.complete(activity)

trellis = $.Product.create(name="Trellis", slug="trellis", tagline="Plan a workshop by the hour", type="Software").id
training = $.Product.create(name="On-site training", slug="training", tagline="Two days at a bench", type="Service").id
for product in [trellis, training]:
    $.Product.update(product, status="Active")
plans = {}
for name, product, amount, interval in [
    ("Bench", trellis, 49, "Monthly"),
    ("Workshop", trellis, 290, "Monthly"),
    ("Works", trellis, 18000, "Yearly"),
    ("Training days", training, 2400, "OneTime"),
]:
    plans[name] = $.Plan.create(name=name, slug=name.lower().replace(" ", "-"), product=product).id
    $.Plan.update(plans[name], status="Active")
    $.Price.create(amount=amount, currency="EUR", interval=interval, active=True, plan=plans[name])

number = 1040
for organization, contact, plan, amount, state in [
    ("Harbor & Vale", "Ingrid Solberg", "Workshop", 290, "paid"),
    ("Lindqvist Timber", "Maja Ek", "Works", 18000, "open"),
    ("Ortega Ceramics", "Lucia Ortega", "Bench", 49, "paid"),
    ("Brightwater Cycles", "Grace Holloway", "Workshop", 290, "open"),
]:
    customer = $.Customer.create(
        name=organization, email="invoices@" + organization.lower().split(" ")[0] + ".example", currency="EUR",
        organization=organizations[organization], contact=contacts[contact],
    ).id
    subscription = $.Subscription.create(
        status="Active", customer=customer, organization=organizations[organization], plan=plans[plan], quantity=1,
        startedAt="2026-08-01T00:00:00Z", currentPeriodStart="2026-11-01T00:00:00Z",
        currentPeriodEnd="2026-12-01T00:00:00Z",
    ).id
    for month, due in [("10", "2026-10-31"), ("11", "2026-11-30")]:
        number += 1
        invoice = $.Invoice.create(
            number="T-" + str(number), customer=customer, organization=organizations[organization],
            subscription=subscription, currency="EUR", subtotal=amount, tax=0, total=amount, amountDue=amount,
            issuedAt="2026-" + month + "-01T08:00:00Z", dueAt=due + "T00:00:00Z",
        ).id
        $.Invoice.finalize(invoice)
        if month == "10" or state == "paid":
            $.Invoice.pay(invoice)
            payment = $.Payment.create(
                amount=amount, currency="EUR", method="Transfer", customer=customer, invoice=invoice,
            ).id
            $.Payment.capture(payment)

for subject, organization, requester, priority, channel, verbs in [
    ("Shift plan prints two blank pages", "Harbor & Vale", "Tomas Berg", "Low", "Email", ["resolve", "close"]),
    ("Kiln times are an hour off since October", "Ortega Ceramics", "Pablo Ruiz", "High", "Chat", ["escalate"]),
    ("Cannot add a tenth bench", "Brightwater Cycles", "Samir Patel", "Medium", "Web", []),
    ("Sawmill 4 lacks the new plan", "Lindqvist Timber", "Johan Nyman", "Urgent", "Phone", ["escalate", "resolve"]),
    ("Invoice shows the former address", "Brightwater Cycles", "Grace Holloway", "Low", "Email", []),
]:
    ticket = $.Ticket.create(
        subject=subject, priority=priority, channel=channel, requester=contacts[requester], assignee=wren,
        organization=organizations[organization],
    ).id
    for verb in verbs:
        if verb == "escalate":
            $.Ticket.escalate(ticket)
        elif verb == "resolve":
            $.Ticket.resolve(ticket)
        else:
            $.Ticket.close(ticket)

rollout = $.Project.create(
    name="Lindqvist rollout", slug="lindqvist-rollout", description="Trellis in all eleven sawmills by spring",
    organization=organizations["Lindqvist Timber"], owner=wren, startDate="2026-10-01", targetDate="2027-04-01",
).id
upkeep = $.Project.create(name="Trellis upkeep", slug="trellis-upkeep", owner=wren).id
for title, project, kind, priority, state in [
    ("Import the machine lists", rollout, "Task", "High", "assigned"),
    ("Train the planners of sawmills 1 to 4", rollout, "Task", "High", "open"),
    ("Connect to the weighbridge", rollout, "Feature", "Medium", "open"),
    ("Summer time shifts kiln plans by an hour", upkeep, "Bug", "Urgent", "assigned"),
    ("More than nine benches in one workshop", upkeep, "Bug", "Medium", "open"),
    ("Blank pages when printing", upkeep, "Bug", "Low", "closed"),
]:
    issue = $.Issue.create(title=title, project=project, type=kind, priority=priority, reporter=wren).id
    if state == "assigned":
        $.Issue.assign(issue, {"assignee": wren})
        $.Comment.create(body="On it this week.", issue=issue, author=wren)
    elif state == "closed":
        $.Issue.close(issue)

revenue = $.Metric.create(name="Monthly revenue", unit="EUR", value=2129, type="Gauge").id
$.Goal.create(name="Forty customers by spring", target=40, current=4, period="Yearly", unit="customers", metric=revenue)
$.Segment.create(
    name="Large workshops", isDynamic=True,
    criteria={"type": "Organization", "filter": {"employeeCount": {"$gte": 500}}},
)
$.FeatureFlag.create(key="benches-unlimited", name="More than nine benches", type="Boolean", defaultValue="false")

{"organizations": len(organizations), "contacts": len(contacts), "deals": len(deals)}
"""
