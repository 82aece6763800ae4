"""How a call to the outside can fail, told apart by what may have become of it there."""

from runtime.errors import Conflict, Unavailable


class Unreachable(Unavailable):
    """Nothing of the request has left: it can be made again without a second thought."""


class Unanswered(Unavailable):
    """The request may have arrived and been carried out: nobody knows."""


class OutcomeUnknown(Unavailable):
    """An earlier try of this run made the call, nobody knows what became of it, and the service takes no key.

    The run is stuck until somebody finds out by hand.
    """


class Diverged(Conflict):
    """A run that is tried again makes another call than the first time, at the same place."""
