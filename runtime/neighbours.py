"""The relations of an entity as they are committed now, for a filter that is read in plain Python."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from runtime.entity import renamed
from runtime.errors import LimitExceeded
from runtime.graph import View
from runtime.sql import Sql, quoted
from runtime.vocabulary import Vocabulary

# A walk backwards reads so many entities at a time, and refuses to read more than so many: one event must not hold up
# all that follow it.
PAGE = 500
RELATED_MAX = 10_000

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Neighbours:
    """What `filter_match` walks: a view of the graph, without what is deleted."""

    def __init__(self, vocabulary: Vocabulary, view: View) -> None:
        self._vocabulary = vocabulary
        self._view = view

    def get(self, noun_name: str, id: str) -> Mapping[str, Any] | None:
        """The entity, or None where there is none."""
        found = self._view.get(self._vocabulary.noun(noun_name), id)
        return None if found is None or found.deleted else found.body

    def related(self, noun_name: str, key: str, id: str) -> Iterator[Mapping[str, Any]]:
        """The entities of `noun_name` whose `key` is, or has in its list, `id`. Raises LimitExceeded for too many."""
        noun = self._vocabulary.noun(noun_name)
        table = self._view.table(noun)
        holds = f"list_contains({quoted(key)}, ?)" if noun.fields[key].many else f"{quoted(key)} = ?"
        after = 0
        for _ in range(RELATED_MAX // PAGE):
            if table is None:
                return
            where = f'"$deletedAt" IS NULL AND {holds} AND "$number" > ?'
            rows = self._view.rows(
                Sql(
                    f'SELECT "$number", "$body" FROM {table} WHERE {where} ORDER BY "$number" LIMIT {PAGE}', (id, after)
                )
            )
            yield from (renamed(noun, _decode(body)) for _, body in rows)
            if len(rows) < PAGE:
                return
            after = rows[-1][0]
        raise LimitExceeded(
            f"more than {RELATED_MAX:,} entities of {noun_name} lead to {id}, too many to read for each event",
            hint="filter by fields of the entity itself",
        )
