"""Which Verbena this is; the same as in pyproject.toml, and here because reading package metadata costs start time."""

VERSION = "0.1.0"
