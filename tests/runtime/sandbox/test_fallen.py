"""The corpus again, with every wall of the language down: the process alone contains each of them."""

import dataclasses
import json
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from runtime.sandbox.limits import Limits, Outcome
from runtime.sandbox.nursery import ZygoteNursery, can_fork
from runtime.sandbox.pool import Answer, Pool

pytestmark = pytest.mark.skipif(not can_fork(), reason="walls of the kernel are for Linux alone")
CORPUS = Path(__file__).parents[4] / "shared" / "vectors" / "escapes.jsonl"
UNGUARDED = str(Path(__file__).with_name("unguarded.py"))
NOW = "2026-11-21T10:00:00Z"
SECRET = "the-content-of-the-canary"
LIMITS = Limits(seconds=0.5, memory_bytes=64 * 2**20, wait_seconds=60.0)


def snippets() -> list[dict[str, Any]]:
    if not CORPUS.exists():
        return []
    rows = [json.loads(line) for line in CORPUS.read_text("utf-8").splitlines()]
    return list({row["id"]: row for row in rows}.values())


SNIPPETS = snippets()


def parameters(kind: str) -> list[Any]:
    found = [pytest.param(row["id"], id=row["id"]) for row in SNIPPETS if row["id"].startswith(kind)]
    skipped = pytest.mark.skip(reason="needs the folder `shared` beside the checkout")
    return found or [pytest.param("", marks=skipped)]


@pytest.fixture(scope="module")
def fallen() -> Iterator[Pool]:
    pool = Pool(size=2, workers_max=8, nursery=ZygoteNursery((UNGUARDED,)))
    yield pool
    pool.close()


def nothing(path: list[str], arguments: list[Any], keywords: dict[str, Any]) -> list[Any]:
    """A tenant that gives nothing, whatever it is asked for."""
    return []


def much(path: list[str], arguments: list[Any], keywords: dict[str, Any]) -> str:
    """A tenant whose answers fill any pipe."""
    return "x" * 2**20


def run(pool: Pool, code: str, answer: Answer = nothing, **bounds: Any) -> Outcome:
    return pool.run(code, answer, dataclasses.replace(LIMITS, **bounds), now=NOW)


@pytest.fixture(scope="module")
def outcomes(fallen: Pool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, "Future[Any]"]]:
    """How each snippet ended, and what an ordinary run right after it gave; all of them side by side."""
    folder = tmp_path_factory.mktemp("canary")
    canary = folder / "canary"
    canary.write_text(SECRET)
    for path in (folder.parent, folder, canary):  # nothing but the walls keeps anybody from it
        path.chmod(0o777)

    def attempt(code: str) -> tuple[Outcome, Any]:
        code = code.replace("{CANARY_DIR}", str(folder)).replace("{CANARY}", str(canary))
        return run(fallen, code), run(fallen, "result = 1 + 1", seconds=10.0).result

    with ThreadPoolExecutor(8) as threads:
        yield {row["id"]: threads.submit(attempt, row["code"]) for row in SNIPPETS}
    assert [path.name for path in folder.iterdir()] == ["canary"]
    assert canary.read_text() == SECRET


def test_what_runs_behind_the_walls_is_really_unguarded(fallen: Pool) -> None:
    assert run(fallen, "import os\nresult = [os.name, ().__class__.__base__.__name__]").result == ["posix", "object"]


@pytest.mark.parametrize("id", parameters("K"))
def test_code_that_got_past_the_language_gets_nothing(outcomes: dict[str, "Future[Any]"], id: str) -> None:
    outcome, after = outcomes[id].result()
    assert outcome.error is not None or not outcome.result
    assert SECRET not in f"{outcome}"
    assert after == 2


@pytest.mark.parametrize("id", parameters("L"))
def test_an_escape_that_meets_no_language_wall_is_contained(outcomes: dict[str, "Future[Any]"], id: str) -> None:
    outcome, after = outcomes[id].result()
    assert SECRET not in f"{outcome}"
    assert "PWNED" not in f"{outcome.result}{outcome.output}"
    assert after == 2


SEND = "import os, struct\ndef send(b): os.write(3, struct.pack('!I', len(b)) + b)\n"


# Code of somebody who is past the language, and how the run may end: an error of that code, or that result.
@pytest.mark.parametrize(
    ("code", "code_of_error"),
    [
        ("import os\nos.kill(os.getpid(), 9)", "execution_error"),
        (f'{SEND}send(b\'{{"t":"ready","walls":[]}}\')', "execution_error"),
        ("import os\nwhile True: os.write(3, b'\\x00\\x00\\x00\\x02{}')", "execution_error"),
        ("import os\nos.close(3)\nwhile True: pass", "execution_error"),
        ("import os\nos.write(3, b'\\x00\\x00\\x10\\x00')\nwhile True: pass", "execution_error"),
        ("import signal\nfor n in (1, 2, 13, 14, 15): signal.signal(n, signal.SIG_IGN)\nwhile True: pass", "timeout"),
        ("import resource\nresource.setrlimit(resource.RLIMIT_CPU, (3600, 3600))\nwhile True: pass", "timeout"),
        ("import resource\nresource.setrlimit(resource.RLIMIT_AS, (2 ** 62, 2 ** 62))", "execution_error"),
        ("import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (9, 9))", "execution_error"),
        ("import resource\nresource.prlimit(1, resource.RLIMIT_AS, (1, 1))", "execution_error"),
        ("import threading\nthreading.Thread(target=print).start()", "execution_error"),
        ("import os\nos.open('/proc/1/environ', 0)", "execution_error"),
        ("import os\nos.pidfd_open(1)", "execution_error"),
        ("import os\nos.memfd_create('x')", "execution_error"),
        ("import os\nos.pipe()", "execution_error"),
        ("import os\nos.dup(3)", "execution_error"),
        ("import os\nos.setuid(0)", "execution_error"),
        ("import os\nos.chroot('/')", "execution_error"),
        ("import socket\nsocket.socketpair()", "execution_error"),
        ("import socket\nsocket.create_connection(('127.0.0.1', 22))", "execution_error"),
        ("import subprocess\nsubprocess.run(['true'])", "execution_error"),
        ("import fcntl\nfcntl.ioctl(3, 0x5421)", "execution_error"),
        ("import urllib.request\nurllib.request.urlopen('file:///etc/passwd')", "execution_error"),
        ("import kern\nresult = [1, 2, 3]\nkern.libc.abort()", "execution_error"),
        ("import kern\nif kern.libc.mprotect(kern.libc.sbrk(0) & -4096, 4096, 7): raise OSError", "execution_error"),
    ],
)
def test_what_the_kernel_refuses_ends_as_an_error(fallen: Pool, code: str, code_of_error: str) -> None:
    error = run(fallen, code).error
    assert error is not None
    assert error["code"] == code_of_error
    assert run(fallen, "result = 1 + 1", seconds=10.0).result == 2


def test_calls_that_are_never_read_do_not_hold_the_server(fallen: Pool) -> None:
    code = f'{SEND}while True: send(b\'{{"t":"call","p":["x"],"a":[],"k":{{}}}}\')'
    error = run(fallen, code, much, calls=1_000).error
    assert error is not None
    assert error["code"] in ("timeout", "limit_exceeded")
    assert run(fallen, "result = 1 + 1", seconds=10.0).result == 2


def test_a_worker_holds_nothing_of_the_server(fallen: Pool) -> None:
    os.environ["VERBENA_TEST_SECRET"] = SECRET  # of this process, whose descriptors and variables it must not have
    read, write = os.pipe()
    try:
        os.set_inheritable(read, True)
        own = Pool(size=1, nursery=ZygoteNursery((UNGUARDED,)))
        try:
            code = """
import os, sys
def is_open(n):
    try:
        os.close(n)
        return True
    except OSError:
        return False
names = [name for name in os.environ if name != "LC_CTYPE"]
result = [names, len(sys.argv), [n for n in range(200) if n != 3 and is_open(n)]]
"""
            assert run(own, code).result == [[], 2, []]
        finally:
            own.close()
    finally:
        os.close(read)
        os.close(write)
        del os.environ["VERBENA_TEST_SECRET"]
