"""A profile for whoever has an hour: `pytest tests/runtime/handlers/test_machine.py --hypothesis-profile=long`."""

from hypothesis import settings

settings.register_profile("long", deadline=None)
