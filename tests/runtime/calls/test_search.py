"""`search` and `fetch` as they are answered: what a row shows of an entity, whichever of its fields were asked for."""

from tests.runtime.door import Door


def test_letters_that_not_every_keyboard_has_are_found_by_those_that_it_has(door: Door) -> None:
    door.do('$.Contact.create(name="Søren Bæk")\n$.Contact.create(name="Jürgen Groß")')
    for words, name in (("soren", "Søren Bæk"), ("BAEK", "Søren Bæk"), ("Bæk", "Søren Bæk"), ("gross", "Jürgen Groß")):
        assert [row["title"] for row in door("search", query=words)["results"]] == [name]
        assert [
            row["title"] for row in door("search", type="Contact", filter={"name": {"$text": words}})["results"]
        ] == [name]
