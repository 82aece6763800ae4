"""Our own attacks: refused, or given nothing, or ended; and the pool answers after each."""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import BY_CODE
from runtime.sandbox.limits import Limits, Outcome
from runtime.sandbox.nursery import ZygoteNursery, can_fork
from runtime.sandbox.pool import Pool
from tests.runtime.sandbox.attacks import BEHIND, COSTS, LANGUAGE, Attack

UNGUARDED = str(Path(__file__).with_name("unguarded.py"))
NOW = "2026-11-21T10:00:00Z"
SECRET = "the-content-of-the-canary"
# Less time than an honest program has, that those which loop end soon.
LIMITS = Limits(seconds=0.5, memory_bytes=64 << 20, wait_seconds=60.0)
ATTACKS_MIN = 30
SIDE_BY_SIDE = 4

Ended = tuple[Outcome, Any]  # of the attack, and the result of an honest run right behind it


def answer(path: list[str], arguments: list[Any], keywords: dict[str, Any]) -> Any:
    """A tenant that would betray itself to whoever can name another one."""
    if "other" in "".join(path):
        return [SECRET]
    return [{"$id": "deal_fX9bL5nRdK", "$type": "Deal", "name": "Acme"}] if path[-1] == "find" else []


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("canary") / "canary"
    path.write_text(SECRET)
    for each in (path.parent.parent, path.parent, path):  # nothing but the walls keeps anybody from it
        each.chmod(0o777)
    yield path
    assert [(each.name, each.read_text()) for each in path.parent.iterdir()] == [("canary", SECRET)]


def ends(pool: Pool, attacks: Iterable[Attack], canary: Path, honest: str) -> Iterator[dict[str, "Future[Ended]"]]:
    """How each attack ends, by its name; a few of them run side by side."""

    def attempt(attack: Attack) -> Ended:
        code = attack.code.replace("{CANARY}", str(canary))
        outcome = pool.run(f"result = None\n{code}" if attack not in COSTS else code, answer, LIMITS, now=NOW)
        return outcome, pool.run(honest, answer, Limits(wait_seconds=60.0), now=NOW).result

    with ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
        yield {attack.name: threads.submit(attempt, attack) for attack in attacks}


@pytest.fixture(scope="module")
def guarded(pool: Pool, canary: Path) -> Iterator[dict[str, "Future[Ended]"]]:
    yield from ends(pool, (*LANGUAGE, *COSTS), canary, "1 + 1")


@pytest.fixture(scope="module")
def unguarded(canary: Path) -> Iterator[dict[str, "Future[Ended]"]]:
    """All of them again, with every wall of the language down."""
    pool = Pool(size=2, workers_max=SIDE_BY_SIDE, nursery=ZygoteNursery((UNGUARDED,)))
    yield from ends(pool, (*LANGUAGE, *COSTS, *BEHIND), canary, "result = 1 + 1")
    pool.close()


def test_there_are_enough_of_them() -> None:
    assert len(LANGUAGE) + len(COSTS) >= ATTACKS_MIN
    assert len({attack.name for attack in (*LANGUAGE, *COSTS, *BEHIND)}) == len((*LANGUAGE, *COSTS, *BEHIND))


@pytest.mark.parametrize("name", [attack.name for attack in LANGUAGE])
def test_an_attack_on_the_language_gets_nothing(guarded: dict[str, "Future[Ended]"], name: str) -> None:
    _check_got_nothing(guarded[name].result())


@pytest.mark.parametrize("name", [attack.name for attack in COSTS])
def test_what_costs_too_much_is_ended(guarded: dict[str, "Future[Ended]"], name: str) -> None:
    outcome, after = guarded[name].result()
    _check(outcome)
    assert outcome.error is not None
    assert after == 2


needs_walls = pytest.mark.skipif(not can_fork(), reason="walls of the kernel are for Linux alone")


@needs_walls
@pytest.mark.parametrize("name", [attack.name for attack in (*LANGUAGE, *COSTS)])
def test_an_attack_that_meets_no_language_wall_is_contained(unguarded: dict[str, "Future[Ended]"], name: str) -> None:
    outcome, after = unguarded[name].result()
    assert SECRET not in f"{outcome}"
    assert after == 2


@needs_walls
@pytest.mark.parametrize("name", [attack.name for attack in BEHIND])
def test_an_attack_from_behind_the_language_gets_nothing(unguarded: dict[str, "Future[Ended]"], name: str) -> None:
    _check_got_nothing(unguarded[name].result())


def _check_got_nothing(ended: Ended) -> None:
    outcome, after = ended
    _check(outcome)
    assert outcome.error is not None or not outcome.result
    assert after == 2


def _check(outcome: Outcome) -> None:
    told = f"{outcome.result}{outcome.output}{outcome.error}"
    assert SECRET not in told
    assert "0x" not in told
    assert outcome.error is None or outcome.error["code"] in BY_CODE
