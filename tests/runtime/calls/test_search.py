"""`search` and `fetch` as they are answered: what a row shows of an entity, whichever of its fields were asked for."""

from typing import Any

import pytest

from tests.runtime.door import Door


@pytest.mark.parametrize("asked", [{}, {"query": "ada"}, {"query": "ada", "sort": "leadScore"}, {"asOf": "now"}])
def test_a_title_is_told_also_where_its_field_is_not_asked_for(door: Door, asked: dict[str, Any]) -> None:
    id = door.do('$.Contact.create(name="Ada", leadScore=5).id')
    found = door("search", type="Contact", fields=["leadScore"], **asked)
    entity = {"$id": id, "$type": "Contact", "leadScore": 5}
    url = f"{door.tenant.context}/Contact/{id}"
    assert found["results"] == [{"id": id, "title": "Ada", "url": url, "entity": entity}]
    assert door("fetch", id=id, fields=["leadScore"])["title"] == "Ada"


def test_letters_that_not_every_keyboard_has_are_found_by_those_that_it_has(door: Door) -> None:
    door.do('$.Contact.create(name="Søren Bæk")\n$.Contact.create(name="Jürgen Groß")')
    for words, name in (("soren", "Søren Bæk"), ("BAEK", "Søren Bæk"), ("Bæk", "Søren Bæk"), ("gross", "Jürgen Groß")):
        assert [row["title"] for row in door("search", query=words)["results"]] == [name]
        assert [
            row["title"] for row in door("search", type="Contact", filter={"name": {"$text": words}})["results"]
        ] == [name]
