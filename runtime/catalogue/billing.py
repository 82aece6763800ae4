"""Billing: customers, what they can buy, what they subscribe to, what they owe and what they paid."""

from runtime.declaration import declare

CUSTOMER = declare(
    "Customer",
    {
        "name": "string",
        "email": "email#",
        "stripeCustomerId": "string##",
        "paymentMethod": "string",
        "currency": "string",
        "taxExempt": "string",
        "organization": "-> Organization",
        "subscriptions": "<- Subscription.customer[]",
        "invoices": "<- Invoice.customer[]",
        "payments": "<- Payment.customer[]",
        "contact": "-> Contact",
    },
)

PRODUCT = declare(
    "Product",
    {
        "name": "string!",
        "slug": "string##",
        "description": "text",
        "tagline": "string",
        "icon": "string",
        "image": "string",
        "features": "string[]",
        "highlights": "string[]",
        "stripeProductId": "string##",
        "featured": "boolean",
        "type": "Software | Service | Addon | Bundle",
        "status": "Draft | Active | Archived = Draft",
        "visibility": "Public | Private | Hidden",
        "plans": "<- Plan.product[]",
    },
    transitions={"status": ["create -> Draft", "Draft -> Active", "Active <-> Archived"]},
)

PLAN = declare(
    "Plan",
    {
        "name": "string!",
        "slug": "string##",
        "description": "text",
        "features": "string[]",
        "limits": "json",
        "badge": "string",
        "trialDays": "number",
        "order": "number",
        "isDefault": "boolean",
        "isFree": "boolean",
        "isEnterprise": "boolean",
        "status": "Draft | Active | Grandfathered | Archived = Draft",
        "product": "-> Product.plans",
        "prices": "<- Price.plan[]",
    },
    transitions={
        "status": [
            "create -> Draft",
            "Draft -> Active -> Grandfathered | Archived",
            "Grandfathered -> Archived -> Active",
        ]
    },
)

PRICE = declare(
    "Price",
    {
        "amount": "number!",
        "intervalCount": "number",
        "originalAmount": "number",
        "discountPercent": "number",
        "currency": "string",
        "stripeId": "string##",
        "active": "boolean",
        "interval": "Monthly | Quarterly | Yearly | OneTime",
        "plan": "-> Plan.prices",
    },
)

SUBSCRIPTION = declare(
    "Subscription",
    {
        "currentPeriodStart": "datetime",
        "currentPeriodEnd": "datetime",
        "trialStart": "datetime",
        "trialEnd": "datetime",
        "startedAt": "datetime",
        "canceledAt": "datetime",
        "pausedAt": "datetime",
        "resumesAt": "datetime",
        "endedAt": "datetime",
        "cancelAtPeriodEnd": "boolean",
        "cancelReason": "string",
        "cancelFeedback": "text",
        "paymentMethod": "string",
        "collectionMethod": "string",
        "stripeSubscriptionId": "string##",
        "stripeCustomerId": "string",
        "quantity": "number",
        "status": (
            "Active | PastDue | Cancelled | Trialing | Paused | Incomplete"
            " | Reactivated | Upgraded | Downgraded = Active"
        ),
        "organization": "-> Organization.subscriptions",
        "customer": "-> Customer.subscriptions",
        "plan": "-> Plan",
        "pause": "Paused",
        "cancel": "Cancelled",
        "reactivate": "Reactivated",
        "upgrade": "Upgraded",
        "downgrade": "Downgraded",
        "activate": "Activated",
        "renew": "Renewed",
        "lapse": "Lapsed",
        "expire": "Expired",
    },
    transitions={
        "status": [
            "create -> Trialing | Active",
            "Trialing | PastDue | Incomplete -activate-> Active",
            "Active -pause-> Paused",
            "Active | Paused | PastDue -cancel-> Cancelled",
            "Active -upgrade-> Active",
            "Active -downgrade-> Active",
            "Active -renew-> Active",
            "Paused | Cancelled -reactivate-> Active",
            "Active -lapse-> PastDue",
            "Active | Trialing | PastDue | Paused | Incomplete -expire-> Cancelled",
        ]
    },
    effects={
        "pause": {"pausedAt": "now()"},
        "cancel": {"canceledAt": "now()"},
        "expire": {"endedAt": "now()"},
    },
)

INVOICE = declare(
    "Invoice",
    {
        "number": "string##",
        "currency": "string",
        "receiptUrl": "url",
        "pdfUrl": "url",
        "hostedUrl": "url",
        "stripeInvoiceId": "string##",
        "subtotal": "number!",
        "tax": "number",
        "discount": "number",
        "total": "number!",
        "amountPaid": "number",
        "amountDue": "number!",
        "periodStart": "datetime",
        "periodEnd": "datetime",
        "issuedAt": "datetime",
        "dueAt": "datetime",
        "paidAt": "datetime",
        "voidedAt": "datetime",
        "lineItems": "json",
        "status": "Draft | Open | Paid | Voided | Uncollectible = Draft",
        "organization": "-> Organization",
        "customer": "-> Customer.invoices",
        "subscription": "-> Subscription",
        "pay": "Paid",
        "void": "Voided",
        "finalize": "Finalized",
        "writeOff": "WrittenOff",
        "fail": "Failed",
    },
    transitions={
        "status": [
            "create -> Draft",
            "Draft -finalize-> Open",
            "Open -pay-> Paid",
            "Open -void-> Voided",
            "Open -writeOff-> Uncollectible",
        ]
    },
    inputs={"void": {"reason": "text"}, "writeOff": {"reason": "text"}, "fail": {"reason": "text"}},
    effects={
        "finalize": {"issuedAt": "now()"},
        "pay": {"paidAt": "now()"},
        "void": {"voidedAt": "now()"},
    },
)

PAYMENT = declare(
    "Payment",
    {
        "amount": "number!",
        "currency": "string",
        "method": "string",
        "stripePaymentId": "string##",
        "status": "Pending | Succeeded | Failed | Refunded = Pending",
        "customer": "-> Customer.payments",
        "invoice": "-> Invoice",
        "refund": "Refunded",
        "capture": "Captured",
        "succeed": "Succeeded",
        "fail": "Failed",
    },
    transitions={
        "status": [
            "create -> Pending",
            "Pending -capture-> Succeeded",
            "Pending -succeed-> Succeeded",
            "Pending -fail-> Failed",
            "Succeeded -refund-> Refunded",
        ]
    },
    inputs={"refund": {"reason": "text"}, "fail": {"reason": "text"}},
)

NOUNS = (CUSTOMER, PRODUCT, PLAN, PRICE, SUBSCRIPTION, INVOICE, PAYMENT)
