"""What services really send becomes a business, through the same door as everything else, and is found again.

A state in which nothing of ours begins is reached by the verbs that lead there, so the log shows the way. What has no
place in our nouns is left out, and said where it is.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from runtime import Client, Noun
from runtime.errors import InvalidTransition

Json = dict[str, Any]

# GitHub's ids have no place in Issue and Comment; a noun of this tenant's own keeps them.
LINK = Noun("GitHubLink", {"key": "string!##", "entity": "id!"})

# One delivery of a webhook is one unit.
GITHUB = """
def known(kind, given):
    link = $.GitHubLink.findOne(key=f"{kind}/{given['id']}")
    return link.entity if link else None

def remember(kind, given, id):
    $.GitHubLink.create(key=f"{kind}/{given['id']}", entity=id)
    return id

def contact(user):
    email = f"{user['id']}+{user['login']}@users.noreply.github.com"
    values = {"name": user["login"], "email": email, "avatar": user["avatar_url"], "source": "GitHub"}
    return $.Contact.upsert(values, by="email").id

def project(repository):
    return $.Project.upsert({
        "name": repository["name"],
        "slug": repository["full_name"],
        "description": repository["description"],
        "visibility": "Private" if repository["private"] else "Public",
        "owner": contact(repository["owner"]),
    }, by="slug").id

def issue(given, place):
    values = {
        "title": given["title"],
        "description": given["body"],
        "labels": [label["name"] for label in given["labels"]],
        "milestone": given["milestone"]["title"] if given["milestone"] else None,
        "reporter": contact(given["user"]),
    }
    id = known("issue", given)
    if not id:
        id = remember("issue", given, $.Issue.create({**values, "project": place}).id)
    now = $.Issue.update(id, values)
    if given["assignee"] and now.status == "Open":
        now = now.assign(assignee=contact(given["assignee"]))
    if given["state"] == "closed" and now.status != "Closed":
        if now.status == "Assigned":  # with us, somebody works on an issue before it is closed
            now.update(status="InProgress")
        now.close(reason="closed on GitHub")
    return id

def comment(given, about):
    id = known("comment", given)
    if not id:
        created = $.Comment.create(body=given["body"], issue=about, author=contact(given["user"]))
        return remember("comment", given, created.id)
    return $.Comment.update(id, body=given["body"]).id

contact(delivery["sender"])
place = project(delivery["repository"])
if "issue" in delivery:
    about = issue(delivery["issue"], place)
    said = comment(delivery["comment"], about) if "comment" in delivery else None
    if delivery["action"] == "deleted":
        $.Comment.delete(said) if said else $.Issue.delete(about)
"""

STRIPE = """
import datetime

def at(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat() if seconds else None

def money(cents):
    return cents / 100

customer, product, subscription, invoice = (stripe[name] for name in ("customer", "product", "subscription", "invoice"))
customers = {customer["id"]: $.Customer.create(
    name=customer["name"], email=customer["email"], currency=customer["currency"], taxExempt=customer["tax_exempt"],
    stripeCustomerId=customer["id"],
).id}

# Stripe's product type "good" is none of ours; what is active there becomes Active by update, for it begins as a Draft.
sold = $.Product.create(name=product["name"], description=product["description"], stripeProductId=product["id"])
if product["active"]:
    sold.update(status="Active")

INTERVALS = {("month", 1): "Monthly", ("month", 3): "Quarterly", ("year", 1): "Yearly"}
plans = {}
for price in stripe["prices"]:
    again = price["recurring"]
    # Stripe bills every so many months; where that is no rhythm of ours, only the count is kept.
    interval = INTERVALS.get((again["interval"], again["interval_count"])) if again else "OneTime"
    plans[price["id"]] = $.Plan.create(name=f"{product['name']}, {interval or 'irregular'}", product=sold.id).id
    $.Price.create(
        amount=money(price["unit_amount"]), currency=price["currency"], active=price["active"], stripeId=price["id"],
        interval=interval, intervalCount=again["interval_count"] if again else None, plan=plans[price["id"]],
    )

item = subscription["items"]["data"][0]
begun = $.Subscription.create(
    status="Trialing" if subscription["status"] == "trialing" else "Active",
    customer=customers[subscription["customer"]], plan=plans[item["price"]["id"]], quantity=item["quantity"],
    currentPeriodStart=at(item["current_period_start"]), currentPeriodEnd=at(item["current_period_end"]),
    startedAt=at(subscription["start_date"]), trialStart=at(subscription["trial_start"]),
    trialEnd=at(subscription["trial_end"]), cancelAtPeriodEnd=subscription["cancel_at_period_end"],
    collectionMethod=subscription["collection_method"], stripeSubscriptionId=subscription["id"],
    stripeCustomerId=subscription["customer"],
)
if subscription["status"] == "past_due":
    begun.lapse()
elif subscription["status"] == "paused":
    begun.pause()
elif subscription["status"] == "canceled":
    begun.cancel(cancelReason=subscription["cancellation_details"]["reason"])
elif subscription["status"] not in ("active", "trialing"):
    begun.update(status=subscription["status"].capitalize())

written = $.Invoice.create(
    customer=customers[invoice["customer"]], number=invoice["number"], currency=invoice["currency"],
    subtotal=money(invoice["subtotal"]), total=money(invoice["total"]), amountDue=money(invoice["amount_due"]),
    amountPaid=money(invoice["amount_paid"]), dueAt=at(invoice["due_date"]), periodStart=at(invoice["period_start"]),
    periodEnd=at(invoice["period_end"]), stripeInvoiceId=invoice["id"],
    lineItems=[{"text": line["description"], "amount": money(line["amount"])} for line in invoice["lines"]["data"]],
)
if invoice["status"] != "draft":
    written.finalize()
if invoice["status"] == "paid":
    written.pay()
elif invoice["status"] == "void":
    written.void()
elif invoice["status"] == "uncollectible":
    written.writeOff()
"""


@pytest.fixture(scope="session")
def deliveries(shared: Path) -> list[Json]:
    """Webhook deliveries of GitHub that are about a repository."""
    named = json.loads((shared / "specs/github/webhook-examples.json").read_text())
    examples: list[tuple[str, Json]] = [(each["name"], example) for each in named for example in each["examples"]]
    # A comment on a pull request's line is about no issue; the repository and the people in it are taken all the same.
    about_issues = ("issues", "issue_comment")
    return [
        example if name in about_issues else {key: example[key] for key in ("repository", "sender")}
        for name, example in examples
        if {"repository", "sender"} <= example.keys()
    ]


@pytest.fixture
def stripe(shared: Path) -> Json:
    """The objects of Stripe's own fixtures; those with the id `obj_123` are filler and left out."""
    resources = json.loads((shared / "specs/stripe/fixtures3.json").read_text())["resources"]
    prices = {each["id"]: each for each in _objects(resources, "price") if each["id"].startswith("price_")}
    return {
        **{name: resources[name] for name in ("customer", "product", "subscription", "invoice")},
        "prices": list(prices.values()),
    }


def test_github_becomes_projects_issues_comments_and_contacts(client: Client, deliveries: list[Json]) -> None:
    kept = [delivery for delivery in deliveries if delivery.get("action") != "deleted"]
    _deliver(client, kept)
    assert {project.slug for project in client.Project.find()} == {
        delivery["repository"]["full_name"] for delivery in kept
    }
    assert {contact.name for contact in client.Contact.find(limit=100)} == _logins(kept)

    (spelling,) = client.search("spelling readme", type="Issue").results
    assert (spelling.title, spelling.entity.status) == ("Spelling error in the README file", "Assigned")
    (said,) = client.search("totally right").results
    assert said.entity["$type"] == "Comment"
    about = {"issue.project.slug": "Codertocat/Hello-World", "author.name": "Codertocat"}
    found = client.search(type="Comment", filter=about, include="issue.assignee", total=True)
    assert (found.total, found.results[0].id) == (1, said.id)
    assert found.results[0].entity.issue.assignee.name == "Codertocat"
    labelled = client.search(type="Issue", filter={"labels": "bug", "project.visibility": "Public"}, sort="title")
    assert spelling.id in [row.id for row in labelled.results]


def test_what_github_deleted_is_gone_and_can_be_brought_back(client: Client, deliveries: list[Json]) -> None:
    _deliver(client, deliveries)
    assert client.search("spelling").results == [] and client.search("totally right").results == []
    deleted = client.events.list(event="Issue.deleted")[0].entity
    way = [event.event for event in sorted(client.Issue.history(deleted), key=lambda event: event.seq)]
    assert way[0] == "Issue.created" and way[-2:] == ["Issue.closed", "Issue.deleted"]
    client.Issue.restore(deleted)
    assert client.search("spelling").results[0].entity.status == "Closed"


def test_deliveries_that_come_twice_change_nothing_more(client: Client, deliveries: list[Json]) -> None:
    about = [delivery for delivery in deliveries if "issue" in delivery and delivery["action"] == "assigned"]
    _deliver(client, about)
    head = client.events.list(limit=1)[0].seq
    _deliver(client, about[-1:])
    assert client.events.list(limit=1)[0].seq == head


def test_stripe_becomes_customers_products_prices_subscriptions_and_invoices(client: Client, stripe: Json) -> None:
    client.do(_program(STRIPE, stripe=stripe))
    counts = {
        noun: getattr(client, noun).count() for noun in ("Customer", "Product", "Price", "Subscription", "Invoice")
    }
    assert counts == {"Customer": 1, "Product": 1, "Price": len(stripe["prices"]), "Subscription": 1, "Invoice": 1}

    (shirt,) = client.search("gray cotton", type="Product").results
    assert (shirt.title, shirt.entity.status) == ("T-shirt", "Active")
    customer = {"customer.stripeCustomerId": stripe["customer"]["id"]}
    (subscription,) = client.search(type="Subscription", filter=customer, include="plan.product").results
    assert (subscription.entity.status, subscription.entity.plan.product.id) == ("Active", shirt.id)
    (invoice,) = client.search(type="Invoice", filter={**customer, "total": {"$gte": 10}}).results
    assert (invoice.entity.status, invoice.entity.total, invoice.entity.dueAt) == ("Draft", 10, "2009-02-13T23:31:30Z")
    monthly = client.search(type="Price", filter={"interval": "Monthly", "plan.product.name": "T-shirt"}, sort="amount")
    assert [row.entity.amount for row in monthly.results] == [20]


@pytest.mark.parametrize(
    ("stripes", "ours", "way"),
    [
        ("draft", "Draft", ["Invoice.created"]),
        ("open", "Open", ["Invoice.created", "Invoice.finalized"]),
        ("paid", "Paid", ["Invoice.created", "Invoice.finalized", "Invoice.paid"]),
        ("void", "Voided", ["Invoice.created", "Invoice.finalized", "Invoice.voided"]),
        ("uncollectible", "Uncollectible", ["Invoice.created", "Invoice.finalized", "Invoice.writtenOff"]),
    ],
)
def test_every_state_of_stripes_invoices_has_its_way(
    client: Client, stripe: Json, stripes: str, ours: str, way: list[str]
) -> None:
    stripe["invoice"]["status"] = stripes
    client.do(_program(STRIPE, stripe=stripe))
    assert client.Invoice.findOne().status == ours
    assert [event.event for event in client.events.list(type="Invoice", after=0)] == way


@pytest.mark.parametrize(
    ("stripes", "ours"),
    [
        ("trialing", "Trialing"),
        ("active", "Active"),
        ("past_due", "PastDue"),
        ("paused", "Paused"),
        ("canceled", "Cancelled"),
    ],
)
def test_the_states_of_stripes_subscriptions_have_theirs(client: Client, stripe: Json, stripes: str, ours: str) -> None:
    stripe["subscription"]["status"] = stripes
    client.do(_program(STRIPE, stripe=stripe))
    assert client.Subscription.findOne().status == ours


def test_a_state_that_no_verb_leads_to_is_refused_with_all_that_came_along(client: Client, stripe: Json) -> None:
    """Only an import (`via`) may set it: nothing of ours leads to Incomplete."""
    stripe["subscription"]["status"] = "incomplete"
    with pytest.raises(InvalidTransition):
        client.do(_program(STRIPE, stripe=stripe))
    assert client.events.list() == []


def _deliver(client: Client, deliveries: Iterable[Json]) -> None:
    if "GitHubLink" not in [noun.name for noun in client.nouns.list()]:
        client.define(LINK)
    for delivery in deliveries:
        client.do(_program(GITHUB, delivery=delivery))


def _program(code: str, **data: Json) -> str:
    """The code with its data before it, as literals."""
    return "".join(f"{name} = {value!r}\n" for name, value in data.items()) + code


def _logins(deliveries: Iterable[Json]) -> set[str]:
    """Everybody whom the program takes up."""
    logins: set[str] = set()
    for delivery in deliveries:
        users: list[Json | None] = [delivery["sender"], delivery["repository"]["owner"]]
        for part in ("issue", "comment"):
            if part in delivery:
                users += [delivery[part]["user"], delivery[part].get("assignee")]
        logins |= {user["login"] for user in users if user}
    return logins


def _objects(value: Any, kind: str) -> Iterator[Json]:
    if isinstance(value, dict):
        found = cast("Json", value)
        if found.get("object") == kind:
            yield found
        for each in found.values():
            yield from _objects(each, kind)
    elif isinstance(value, list):
        for each in cast("list[Any]", value):
            yield from _objects(each, kind)
