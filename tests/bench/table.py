"""The table that a run prints, and the file that it leaves."""

import json
from collections.abc import Iterable
from pathlib import Path

from rich.table import Table

from tests.bench.row import Row


def table(rows: Iterable[Row]) -> Table:
    """The rows as a person reads them."""
    shown = Table(title="ours against theirs, medians", title_justify="left")
    shown.add_column("what", max_width=60)
    for heading in ("ours", "theirs", "ratio", "target"):
        shown.add_column(heading, justify="right")
    shown.add_column("met")
    for row in rows:
        shown.add_row(
            row.name + (f"\n[dim]{row.note}[/dim]" if row.note else ""),
            "" if row.ours is None else f"{row.ours:,.2f} {row.unit}",
            "" if row.theirs is None else f"{row.theirs:,.2f} {row.unit}",
            "" if row.ratio is None else f"{row.ratio:.2f}",
            row.target,
            "[green]yes[/green]" if row.met else "[red]no[/red]",
        )
    return shown


def keep(path: Path, rows: Iterable[Row]) -> None:
    """Write rows down; rows of an earlier run that were not measured again stay, in their place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {row["name"]: row for row in json.loads(path.read_text())} if path.exists() else {}
    kept |= {row.name: row.as_dict() for row in rows}
    path.write_text(json.dumps(list(kept.values()), indent=1) + "\n")
