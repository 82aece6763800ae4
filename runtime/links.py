"""Who points where: the entities whose required relations would be left hanging."""

from collections.abc import Collection
from dataclasses import dataclass

from runtime.errors import ValidationFailed
from runtime.graph import Source, View
from runtime.noun import Noun
from runtime.sql import Sql, quoted
from runtime.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Link:
    """One entity that points at another, and by which key."""

    noun: str
    key: str
    id: str


def pointing_here(vocabulary: Vocabulary, view: View, noun: Noun, id: str, *, but: Collection[str] = ()) -> Link | None:
    """One live entity, other than itself and `but` these, whose required relation points at an entity; None for none."""
    source = Source(view)
    questions: list[Sql] = []
    for name in vocabulary.names:
        pointing = vocabulary.noun(name)
        keys = [field for field in pointing.fields.values() if field.required and field.target == noun.name]
        if not keys or (view.table(pointing) is None and not view.staged(pointing)):
            continue
        for field in keys:
            rows = source.table(pointing, frozenset({"$id", "$deletedAt", field.name}))
            holds = f"list_contains({quoted(field.name)}, ?)" if field.many else f"{quoted(field.name)} = ?"
            others = '"$id" NOT IN (SELECT unnest(?))' if but else '"$id" <> ?'
            condition = Sql(
                f' WHERE {holds} AND "$deletedAt" IS NULL AND {others} LIMIT 1)', (id, [id, *but] if but else id)
            )
            questions.append(Sql('(SELECT ?, ?, "$id" FROM ', (pointing.name, field.name)) + rows + condition)
    if not questions:
        return None
    found = view.rows(Sql.join(" UNION ALL ", questions) + " LIMIT 1")
    return Link(*found[0]) if found else None


def refuse_if_pointed_at(vocabulary: Vocabulary, view: View, noun: Noun, id: str, *, but: Collection[str] = ()) -> None:
    """Raise ValidationFailed where a live required relation, `but` of these, points at an entity to be deleted."""
    found = pointing_here(vocabulary, view, noun, id, but=but)
    if found is not None:
        raise ValidationFailed(
            f"{id} cannot be deleted: {found.noun}.{found.key} of {found.id} requires it",
            hint=f"delete {found.id} first, or point it elsewhere",
        )
