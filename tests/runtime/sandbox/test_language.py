"""What a program in a worker gives: its value, its output, and its view of the tenant."""

import pytest
from conftest import DEAL, Run

from runtime.sandbox.limits import Outcome


def value(outcome: Outcome) -> object:
    assert outcome.error is None, outcome.error
    return outcome.result
