"""A script follows the log: every event once and in order, whoever ends, is cut off, or is too slow in the meantime."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

import pytest

from runtime import Client, VerbenaError, connect
from runtime.client import OwnerOptions, is_owned, wait_until_free
from runtime.errors import Conflict, InvalidFilter, Unavailable
from runtime.following import Events
from runtime.tail import FOLLOWERS_MAX, KEPT_EVENTS_MAX

ROOT = Path(__file__).parents[2]


@pytest.fixture
def writer(data: Path) -> Iterator[Client]:
    """Another script, which does what is heard."""
    with connect(data) as client:
        yield client


def test_a_script_hears_what_another_one_does(data: Path, writer: Client) -> None:
    with connect(data) as client, client.events.subscribe("Contact.*", filter={"name": {"$ne": "Eve"}}) as events:
        writer.Contact.create(name="Eve")
        writer.Contact.qualify(writer.Contact.create(name="Ada").id)
        heard = list(islice(events, 2))
        assert heard == writer.events.list(type="Contact", after=1)
        assert [(event.event, event.after.name) for event in heard] == [
            ("Contact.created", "Ada"),
            ("Contact.qualified", "Ada"),
        ]
        assert events.seq == 3


def test_several_tasks_follow_side_by_side(data: Path, writer: Client) -> None:
    async def two(pattern: str) -> list[str]:
        async with client.events.subscribe(pattern) as events:
            ready.release()
            return [event.event async for event in first(2, events)]

    async def heard() -> list[list[str]]:
        tasks = [asyncio.create_task(two(pattern)) for pattern in ("Contact.*", "*.created", "*")]
        for _ in tasks:
            await asyncio.to_thread(ready.acquire)
        await asyncio.to_thread(writer.do, '$.Contact.create(name="Ada").qualify()\n$.Ticket.create(subject="Help")')
        return await asyncio.gather(*tasks)

    ready = threading.Semaphore(0)
    with connect(data) as client:
        assert asyncio.run(heard()) == [
            ["Contact.created", "Contact.qualified"],
            ["Contact.created", "Ticket.created"],
            ["Contact.created", "Contact.qualified"],
        ]


def test_a_wait_that_is_given_up_loses_nothing(data: Path, writer: Client) -> None:
    async def heard() -> list[int]:
        seqs: list[int] = []
        async with client.events.subscribe("Contact.*") as events:
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(anext(events), 0.02)
                await asyncio.to_thread(writer.do, '$.Contact.create(name="Ada").qualify()')
                seqs += [event.seq async for event in first(2, events)]
        return seqs

    with connect(data) as client:
        assert asyncio.run(heard()) == [1, 2, 3, 4, 5, 6]


@pytest.mark.timeout(180)
def test_an_owner_that_is_killed_makes_no_gap_and_no_repeat(data: Path, writer: Client) -> None:
    writer.Contact.create(name="first")
    ended = threading.Event()

    def write() -> None:
        with connect(data) as client:
            while not ended.is_set():
                try:
                    client.do('for name in "abc":\n    $.Contact.create(name=name)')
                except Unavailable:
                    continue  # cut off in the middle: whether it was carried out stands in the log
                except VerbenaError:
                    events.close()
                    raise

    writing = threading.Thread(target=write)
    with connect(data) as client, client.events.subscribe(since=0) as events:
        heard = [next(events)]
        writing.start()
        try:
            for _ in range(3):
                heard += islice(events, 30)
                os.kill(int((data / "verbena.lock").read_text()), signal.SIGKILL)
                wait_until_gone(data)
                heard += islice(events, 30)
        finally:
            ended.set()
            writing.join()
        head = client.events.list(limit=1)[0].seq
        heard += islice(events, head - heard[-1].seq)
        log = [event for page in pages(client) for event in page]
    assert [event.seq for event in heard] == list(range(1, head + 1))
    assert heard == log


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the command of a process in a file")
def test_a_follower_starts_an_owner_with_all_that_its_client_was_given(data: Path) -> None:
    with (
        connect(data, idle_s=60, http_hosts="api.example.com", accept_fewer_walls=True) as client,
        client.events.subscribe(),
    ):
        command = Path(f"/proc/{(data / 'verbena.lock').read_text()}/cmdline").read_text().split("\0")
    assert OwnerOptions.from_argument(command[-2]) == OwnerOptions(
        idle_s=60, http_hosts="api.example.com", accept_fewer_walls=True
    )


def test_an_owner_that_is_told_to_end_stays_away_until_somebody_needs_it(
    data: Path, writer: Client, stop: Callable[[], None]
) -> None:
    writer.Contact.create(name="Ada")
    with connect(data) as client, client.events.subscribe("Contact.*") as events:
        heard: list[Any] = []
        listening = threading.Thread(target=lambda: heard.append(next(events)))
        listening.start()
        stop()
        assert not is_owned(data)
        writer.Contact.create(name="Bea")
        listening.join()
        assert [event.after.name for event in heard] == ["Bea"]


def test_who_reads_slowly_holds_up_nobody_and_misses_nothing(data: Path, writer: Client) -> None:
    count = KEPT_EVENTS_MAX * 2
    text = "x" * 2_000  # more than sockets and memory keep
    with connect(data) as client, client.events.subscribe("Contact.created") as events:
        for _ in range(count // 500):
            writer.do(f'for number in range(500):\n    $.Contact.create(name="{text}")')
        assert writer.Contact.count() == count
        assert [event.seq for event in islice(events, count)] == list(range(1, count + 1))


def test_a_subscription_that_is_closed_wakes_its_reader_and_frees_its_place(data: Path, writer: Client) -> None:
    with connect(data) as client:
        for _ in range(FOLLOWERS_MAX + 6):
            events = client.events.subscribe()
            heard: list[Any] = []
            reading = threading.Thread(target=heard.extend, args=(events,))
            reading.start()
            events.close()
            reading.join()
            assert heard == []
        writer.Contact.create(name="Ada")
        with client.events.subscribe(since=0) as again:
            assert next(again).seq == 1


def test_what_is_wrong_is_told_when_one_subscribes(data: Path) -> None:
    with connect(data) as client:
        with pytest.raises(VerbenaError) as refused:
            client.events.subscribe("Contcat.*")
        assert (refused.value.code, refused.value.hint) == ("invalid_type", "did you mean 'Contact'?")
        with pytest.raises(InvalidFilter):
            client.events.subscribe("Contact.*", filter={"nmae": "Ada"})


def test_who_follows_a_tenant_that_is_deleted_is_told_so(data: Path, writer: Client) -> None:
    writer.Contact.create(name="Ada")
    with connect(data) as client, client.events.subscribe() as events:
        writer.ask("delete-tenant", {})
        with pytest.raises(Conflict):
            next(events)
        assert list(events) == []


def test_the_shell_follows_until_it_is_interrupted(verbena: Any, writer: Client) -> None:
    writer.Contact.create(name="Ada")
    with following(verbena, "log", "--follow", "--since", "0") as (process, lines):
        assert next(lines).split()[2:] == ["Contact.created", writer.Contact.findOne().id, "1", "local"]
        writer.Contact.create(name="Bea")
        assert next(lines).split()[0] == "2"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
        assert process.stderr is not None
        assert (list(lines), process.stderr.read()) == ([], "")


def test_the_shell_follows_beyond_the_end_of_the_owner(verbena: Any, writer: Client) -> None:
    ada = writer.Contact.create(name="Ada").id
    words = ["log", "--follow", f"Contact.{ada}.*", "--since", "0", "--limit", "3", "--json"]
    with following(verbena, *words) as (process, lines):
        assert '"Contact.created"' in next(lines)
        os.kill(int((verbena.data / "verbena.lock").read_text()), signal.SIGKILL)
        wait_until_gone(verbena.data)
        verbena("do", f'$.Contact.create(name="Bea")\n$.Contact.qualify("{ada}")')
        assert '"Contact.qualified"' in next(lines)
        verbena("stop")
        verbena("do", f'$.Contact.update("{ada}", name="Ada Lovelace")')
        assert '"Contact.updated"' in next(lines)
        assert process.wait(timeout=20) == 0


def test_the_shell_ends_when_nobody_reads_what_it_says(verbena: Any, writer: Client) -> None:
    writer.Contact.create(name="Ada")
    with following(verbena, "log", "--follow", "*.created", "--since", "0") as (process, lines):
        next(lines)
        assert process.stdout is not None
        process.stdout.close()
        writer.Contact.create(name="Bea")
        assert process.wait(timeout=20) == 0


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["--follow", "Contcat.*"], 1, "did you mean 'Contact'?"),
        (["--follow", "--filter", '{"name": "Ada"}'], 1, "like Contact.*"),
        (["--follow", "Contact.*", "--filter", "{"], 2, "no JSON"),
        (["--follow", "--since", "7"], 2, "the log ends at 0"),
        (["--follow", "--type", "Contact"], 2, "--follow Contact.*"),
        (["--filter", "{}"], 2, "goes with --follow"),
        (["--follow", "*", "verify"], 2, "options stand behind the command"),
    ],
)
def test_the_shell_says_what_would_be_right(verbena: Any, words: list[str], status: int, told: str) -> None:
    done = verbena("log", *words)
    assert (done.returncode, done.stdout) == (status, "")
    assert told in done.stderr


class following:
    """A command that goes on, and its lines; killed in the end if it still runs."""

    def __init__(self, verbena: Any, *words: str) -> None:
        self._process: subprocess.Popen[str] = subprocess.Popen(
            verbena.command(*words),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=verbena.environment(),
            cwd=ROOT,
            preexec_fn=_hear_interrupts,
        )

    def __enter__(self) -> tuple[subprocess.Popen[str], IO[str]]:
        assert self._process.stdout is not None
        return self._process, self._process.stdout

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()


def _hear_interrupts() -> None:
    """As under a terminal: whoever runs the tests in the background had a shell that ignores them for all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


async def first(count: int, events: Events) -> AsyncIterator[Any]:
    """The next `count` of them."""
    for _ in range(count):
        yield await anext(events)


def pages(client: Client) -> Iterator[list[Any]]:
    """The whole log, read as a list."""
    after = 0
    while page := client.events.list(after=after, limit=1000):
        yield page
        after = page[-1].seq


def wait_until_gone(data: Path) -> None:
    """Return when the owner that was killed has let go, or another one has taken its place."""
    try:
        wait_until_free(data)
    except VerbenaError:
        assert is_owned(data)
