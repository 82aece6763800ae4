"""An import that ends itself, or the engine, with kill -9 at a batch of its choice.

`python imports_until_killed.py DATA FILE BY WHEN BATCH`, where WHEN is `asked` (the engine has the batch, nobody
heard of it), `answered` (it is committed, and was not entered), `settled`, `engine` (the engine dies before it is
asked, and is started again) or `engine-at-work` (it dies in the middle of the batch). BY is a field, or `-`.
"""

import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runtime.client import Connection
from runtime.transfer.importing import Import, Imported, import_file
from runtime.transfer.rows import format_of


class Dying(Connection):
    """A connection that kills when the time has come."""

    when = ""
    batch = 0
    data = Path()
    sent = 0

    def ask(self, call: str, arguments: Mapping[str, Any]) -> Any:
        if call != "import":
            return super().ask(call, arguments)
        self.sent += 1
        if self.sent != self.batch:
            return super().ask(call, arguments)
        if self.when == "asked":
            threading.Thread(target=super().ask, args=(call, arguments), daemon=True).start()
            threading.Timer(0.02, _die).start()
            threading.Event().wait()
        if self.when == "engine":
            self._kill_engine()
        if self.when == "engine-at-work":
            threading.Timer(0.03, self._kill_engine).start()
        answer = super().ask(call, arguments)
        if self.when == "answered":
            _die()
        return answer

    def _kill_engine(self) -> None:
        os.kill(int((self.data / "verbena.lock").read_text()), signal.SIGKILL)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    data, file, by, when, batch = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5])
    heard = 0

    def hear(so_far: Imported) -> None:
        nonlocal heard
        heard += 1
        if when == "settled" and heard == batch:
            _die()

    with Dying(data, tenant="default") as connection:
        connection.when, connection.batch, connection.data = when, batch, data
        bad_rows = file.with_name(file.name + ".bad.csv")
        asked = Import(
            file=file, type="Contact", format=format_of(file), bad_rows=bad_rows, by=None if by == "-" else by
        )
        done = import_file(connection, data, "default", asked, hear)
    print(done.rows, done.created, done.updated, done.unchanged, done.bad)


if __name__ == "__main__":
    main()
