"""The benches keep their results in a shape that others read."""

import json
from pathlib import Path

from tests.bench.row import Pairs, against_bound, missing
from tests.bench.table import keep


def test_a_row_gives_medians_and_the_median_of_the_rounds_ratios() -> None:
    pairs = Pairs(ours=[2.0, 3.0, 40.0], theirs=[1.0, 2.0, 10.0])
    assert pairs.row("fetch", "<= 1.3", "ms").as_dict() == {
        "name": "fetch",
        "ratio": 2.0,
        "target": "<= 1.3",
        "ours": 3.0,
        "theirs": 2.0,
        "unit": "ms",
        "runs": 3,
    }


def test_a_row_meets_its_target_on_the_side_that_the_target_names() -> None:
    pairs = Pairs(ours=[1.0], theirs=[2.0])
    assert pairs.row("time", "<= 0.5", "ms").met
    assert not pairs.row("rate", ">= 0.6", "events/s").met
    assert against_bound("opening", [1.0], 2.0, "s").met


def test_a_row_without_its_peer_says_why_and_is_not_met() -> None:
    row = missing("one create", "<= 0.4", "ms", "needs Node and npm")
    assert not row.met
    assert row.as_dict() == {
        "name": "one create",
        "ratio": None,
        "target": "<= 0.4",
        "ours": None,
        "theirs": None,
        "unit": "ms",
        "runs": 0,
        "note": "needs Node and npm",
    }


def test_rows_that_were_not_measured_again_stay_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "build" / "bench.json"
    first, second = Pairs(ours=[1.0], theirs=[1.0]), Pairs(ours=[2.0], theirs=[1.0])
    keep(path, [first.row("fetch", "<= 1.3", "ms"), first.row("do", "<= 3", "ms")])
    keep(path, [second.row("fetch", "<= 1.3", "ms")])
    assert [(row["name"], row["ratio"]) for row in json.loads(path.read_text())] == [("fetch", 2.0), ("do", 1.0)]
