"""A kernel that offers less than ours."""

from runtime.sandbox.nursery import SpawnNursery, awaited
from runtime.sandbox.worker import Ready, Worker

FEW = Ready(walls=["rlimits"], missing={"seccomp": "too old", "landlock": "too old"})


class Lowered:
    """Workers of a kernel that offers less: they say so, whatever really stands."""

    def __init__(self, ready: Ready) -> None:
        self._nursery = SpawnNursery()
        self._said = [ready]

    def then(self, ready: Ready) -> "Lowered":
        """From the fourth worker on, they say this."""
        self._said = [*self._said * 3, ready]
        return self

    def begin(self) -> Worker:
        worker = awaited(self._nursery.begin())
        worker.ready = self._said.pop(0) if len(self._said) > 1 else self._said[0]
        return worker

    def end_of(self, worker: Worker) -> int | None:
        return self._nursery.end_of(worker)

    def close(self) -> None:
        self._nursery.close()
