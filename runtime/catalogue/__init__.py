"""The 35 nouns that ship: people and keys, sales, billing, projects, content, support, analytics, marketing and more.

They are declared as anybody's noun is, one file a domain, and have no rights of their own.
"""

from runtime.catalogue import (
    analytics,
    billing,
    communication,
    content,
    crm,
    experimentation,
    identity,
    marketing,
    platform,
    projects,
    support,
)
from runtime.noun import Noun
from runtime.vocabulary import Vocabulary

NOUNS: tuple[Noun, ...] = (
    *identity.NOUNS,
    *crm.NOUNS,
    *billing.NOUNS,
    *projects.NOUNS,
    *content.NOUNS,
    *support.NOUNS,
    *analytics.NOUNS,
    *marketing.NOUNS,
    *experimentation.NOUNS,
    *platform.NOUNS,
    *communication.NOUNS,
)


def shipped() -> Vocabulary:
    """The vocabulary that every tenant starts with."""
    return Vocabulary.of(NOUNS)
