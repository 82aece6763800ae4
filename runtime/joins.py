"""Joins over to-one relations, for what sorts and groups by a field of a related entity."""

from runtime.filter_sql import Source
from runtime.paths import Path, Step
from runtime.sql import Sql, quoted


class Joins:
    """The joins that some paths need, gathered while their columns are named; each relation is joined once.

    The far end of a relation is joined by its id, which is unique, so no row is lost or doubled.
    """

    def __init__(self, alias: str, source: Source) -> None:
        self._alias = alias
        self._source = source
        self._joined: dict[tuple[str, ...], tuple[str, Step, set[str]]] = {}
        self._own: set[str] = set()

    def column(self, path: Path) -> str:
        """SQL of the field at the end of the path."""
        alias, names, own = self._alias, (), self._own
        for step in path.steps:
            own.add(step.key)
            names = (*names, step.name)
            if names not in self._joined:
                self._joined[names] = (f"j{len(self._joined) + 1}", step, set())
            alias, _, own = self._joined[names]
        own.add(path.field.name)
        return f"{alias}.{quoted(path.field.name)}"

    @property
    def columns(self) -> frozenset[str]:
        """The columns of the noun itself that the paths start from."""
        return frozenset(self._own)

    @property
    def sql(self) -> Sql:
        """What stands after the noun's own table and alias; the far end of a link is joined only where it is live."""
        joined = Sql("")
        for names, (alias, step, columns) in self._joined.items():
            near = self._joined[names[:-1]][0] if len(names) > 1 else self._alias
            far = self._source.table(step.target, frozenset(columns | {"$id", "$deletedAt"}))
            joined += " LEFT JOIN " + far + f' AS {alias} ON {alias}."$id" = {near}.{quoted(step.key)}'
            joined += f' AND {alias}."$deletedAt" IS NULL'
        return joined
