"""`python -m server` is `verbena`."""

from server.cli import main

main()
