"""The calls of a run: recorded before they leave, made once, and given again to the run when it is tried again."""

import socket
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import LimitExceeded, PermissionDenied, VerbenaError
from runtime.outside.effects import CALLS_MAX, Effects
from runtime.outside.failures import Diverged, OutcomeUnknown, Unanswered, Unreachable
from runtime.outside.guard import Guard
from runtime.outside.hosts import read_hosts
from runtime.outside.http import Http
from runtime.outside.journal import Journal
from runtime.outside.message import Caps, Request, request
from tests.runtime.outside.service import Heard, Service, says, service

NOW = "2026-01-01T00:00:00Z"
CAPS = Caps(read_seconds=5.0)


@pytest.fixture
def journal(tmp_path: Path) -> Generator[Journal]:
    journal = Journal(tmp_path / "acme.effects", "acme")
    yield journal
    journal.close()


def tried(journal: Journal, *hosts: str, run: str = "run_a", **options: Any) -> Effects:
    """One try of a run."""
    http = Http(Guard(hosts=read_hosts(" ".join(hosts)), only_listed=True), options.pop("caps", CAPS))
    options.setdefault("again", True)
    return Effects(journal=journal, http=http, run=run, now=lambda: NOW, **options)


def post(address: str, json: Any = "order", **headers: str) -> Request:
    return request("POST", f"{address}/orders?token=secret", json=json, headers=headers, caps=CAPS)


def get(address: str, path: str = "/stock") -> Request:
    return request("GET", address + path, caps=CAPS)


def test_a_write_is_on_record_before_it_leaves_and_answered_after_it(journal: Journal, shop: Service) -> None:
    steps: list[tuple[str, int, bool]] = []

    def step(name: str) -> None:
        call = journal.call("run_a", 1)
        steps.append((name, len(shop.heard), bool(call and call.outcome)))

    answer = tried(journal, f"{shop.address}=Idempotency-Key", step=step).call(
        post(shop.address, Authorization="secret")
    )
    assert answer["json"] == {"key": "run_a-1"}
    assert steps == [
        ("before intent", 0, False),
        ("after intent", 0, False),
        ("after call", 1, False),
        ("after outcome", 1, True),
    ]
    call = journal.call("run_a", 1)
    assert call is not None and call.intent is not None and call.outcome is not None
    assert (call.intent.method, call.intent.path, call.intent.key) == ("POST", "/orders", "run_a-1")
    assert "secret" not in journal.path.read_text(errors="replace")


def test_a_run_that_is_tried_again_is_given_what_it_was_given(journal: Journal, shop: Service) -> None:
    def code(effects: Effects) -> list[Any]:
        return [effects.call(get(shop.address)), effects.call(post(shop.address)), effects.call(post(shop.address))]

    first = code(tried(journal, shop.address))
    again = tried(journal, shop.address)
    assert (code(again), len(shop.heard), again.wrote) == (first, 3, True)
    assert again.call(post(shop.address))["status"] == first[2]["status"]  # what it had not come to is made
    assert len(shop.heard) == 4


def test_an_answer_that_is_a_failure_is_given_again_as_well(journal: Journal) -> None:
    with service(lambda heard: (500, {}, b"broken")) as broken:
        first = tried(journal, broken.address).call(post(broken.address))
        assert (first["status"], tried(journal, broken.address).call(post(broken.address))) == (500, first)
        assert len(broken.heard) == 1


@pytest.mark.parametrize(
    ("status", "idempotent", "heard"), [(429, False, 2), (429, True, 2), (503, True, 2), (503, False, 1)]
)
def test_what_a_service_puts_off_is_asked_again_if_that_does_no_harm(
    journal: Journal, status: int, idempotent: bool, heard: int
) -> None:
    with service(lambda heard: (status, {}, b"later")) as busy:
        for _ in range(2):
            assert tried(journal, busy.address).call(post(busy.address), idempotent=idempotent)["status"] == status
        assert len(busy.heard) == heard


def test_a_read_that_is_put_off_is_asked_again(journal: Journal) -> None:
    with service(lambda heard: (503, {}, b"later")) as busy:
        for _ in range(2):
            tried(journal, busy.address).call(get(busy.address))
        assert len(busy.heard) == 2


def test_an_answer_that_cannot_be_given_is_refused_again_and_not_asked_for(journal: Journal) -> None:
    with service(lambda heard: (201, {}, b"x" * 2_000)) as shop:
        shapes: list[Any] = []
        for _ in range(2):
            with pytest.raises(LimitExceeded) as refused:
                tried(journal, shop.address, caps=Caps(answer_bytes=1_000)).call(post(shop.address))
            shapes.append(refused.value.as_dict())
        assert shapes[0] == shapes[1] and shapes[0]["details"] == {"status": 201}
        assert len(shop.heard) == 1


def test_another_request_at_the_same_place_is_told_and_leaves_the_run_stuck(journal: Journal, shop: Service) -> None:
    tried(journal, shop.address).call(post(shop.address, "one"))
    again = tried(journal, shop.address)
    with pytest.raises(Diverged) as refused:
        again.call(request("PUT", f"{shop.address}/other", json=1, caps=CAPS))
    assert "was POST 127.0.0.1" in refused.value.message and "is now PUT 127.0.0.1/other" in refused.value.message
    with pytest.raises(Diverged):  # whatever the code does about it
        again.call(post(shop.address, "one"))
    assert (again.stuck, len(shop.heard)) == (refused.value, 1)


@pytest.mark.parametrize("other", ["two", {"order": 1}])
def test_another_body_is_another_request(journal: Journal, shop: Service, other: Any) -> None:
    tried(journal, shop.address).call(post(shop.address, "one"))
    with pytest.raises(Diverged):
        tried(journal, shop.address).call(post(shop.address, other))


def test_another_token_is_the_same_request(journal: Journal, shop: Service) -> None:
    first = tried(journal, shop.address).call(post(shop.address, Authorization="token of today"))
    assert tried(journal, shop.address).call(post(shop.address, Authorization="token of tomorrow")) == first
    assert len(shop.heard) == 1


# -- an outcome that nobody knows ----------------------------------------------------------------------------------


def _unanswered(journal: Journal, address: str, **options: Any) -> None:
    with pytest.raises(Unanswered):
        tried(journal, address).call(post(address), **options)


def test_a_call_whose_outcome_nobody_knows_leaves_the_run_stuck(journal: Journal) -> None:
    with says(b"") as address:
        _unanswered(journal, address)
        again = tried(journal, address)
        with pytest.raises(OutcomeUnknown) as unknown:
            again.call(post(address))
        with pytest.raises(OutcomeUnknown):
            again.call(get(address))
    assert again.stuck is unknown.value and unknown.value.details == {"run": "run_a"}


@pytest.mark.parametrize("options", [{"key_header": "X-Key"}, {"idempotent": True}])
def test_a_call_that_may_be_sent_twice_is_made_again_with_its_key(journal: Journal, options: dict[str, Any]) -> None:
    with says(b"") as address:
        _unanswered(journal, address, **options)
        port = int(address.rpartition(":")[2])
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", port)) as listener:  # the same service, back again

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                heard.append(connection.recv(65_536))
                connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok")

        serving = threading.Thread(target=serve)
        serving.start()
        answer = tried(journal, address).call(post(address), **options)
        serving.join()
    assert (answer["status"], b"X-Key: run_a-1" in heard[0]) == (201, "key_header" in options)
    assert tried(journal, address).call(post(address), **options) == answer


def test_a_call_of_which_nothing_left_is_made_again(journal: Journal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    for _ in range(2):
        with pytest.raises(Unreachable):
            tried(journal, address).call(post(address))
    call = journal.call("run_a", 1)
    assert call is not None and call.outcome is not None and call.outcome.status == 0


def test_a_key_of_the_callers_own_is_left_as_it_is(journal: Journal, shop: Service) -> None:
    effects = tried(journal, f"{shop.address}=Idempotency-Key")
    own = request("POST", shop.address, headers={"idempotency-key": "invoice-7"}, caps=CAPS)
    assert effects.call(own)["json"] == {"key": "invoice-7"}


# -- what may not be asked -----------------------------------------------------------------------------------------


def test_who_may_only_read_reads(journal: Journal, shop: Service) -> None:
    effects = tried(journal, shop.address, refused=lambda: "this key may only read")
    with pytest.raises(PermissionDenied, match="only read"):
        effects.call(post(shop.address))
    assert effects.call(get(shop.address))["status"] == 201
    assert [each.method for each in shop.heard] == ["GET"]


def test_who_may_write_is_asked_at_every_call(journal: Journal, shop: Service) -> None:
    reasons = iter(["not yet", None])
    effects = tried(journal, shop.address, refused=lambda: next(reasons))
    with pytest.raises(PermissionDenied, match="not yet"):
        effects.call(post(shop.address))
    effects.call(get(shop.address))
    effects.call(post(shop.address))
    assert [each.method for each in shop.heard] == ["GET", "POST"]


def test_a_write_that_only_the_log_remembers_is_not_made_again(journal: Journal, shop: Service) -> None:
    def logged(position: int) -> bool:
        return position == 2

    effects = tried(journal, shop.address, logged=logged)
    effects.call(get(shop.address))
    with pytest.raises(OutcomeUnknown):
        effects.call(post(shop.address))
    assert (len(shop.heard), effects.stuck is not None) == (1, True)


def test_a_dry_run_reads_and_lists_what_it_would_have_written(journal: Journal, shop: Service) -> None:
    effects = tried(journal, shop.address, dry=True)
    effects.call(get(shop.address))
    assert effects.call(post(shop.address))["planned"] is True
    with pytest.raises(PermissionDenied):  # it says what the real one would be refused
        effects.call(post("https://elsewhere.example"))
    host = shop.address.removeprefix("http://")
    assert effects.planned == [{"method": "POST", "host": host, "path": "/orders", "bytes": 7}]
    assert ([each.method for each in shop.heard], effects.wrote, journal.calls("run_a")) == (["GET"], False, [])


def test_a_host_that_is_not_allowed_leaves_no_intent(journal: Journal) -> None:
    effects = tried(journal, "api.example.com")
    with pytest.raises(PermissionDenied):
        effects.call(post("http://127.0.0.1:9"))
    assert (journal.calls("run_a"), effects.wrote) == ([], False)


def test_the_calls_of_a_run_are_bounded(journal: Journal) -> None:
    effects = tried(journal, refused=lambda: "no")
    for _ in range(CALLS_MAX):
        with pytest.raises(PermissionDenied):
            effects.call(post("https://a.example"))
    with pytest.raises(LimitExceeded):
        effects.call(post("https://a.example"))


def test_a_big_answer_is_given_whole_and_kept_cut(journal: Journal) -> None:
    body = b'["' + b"x" * 100_000 + b'"]'
    with service(lambda heard: (200, {"Content-Type": "application/json"}, body)) as shop:

        def code(effects: Effects) -> list[Any]:
            return [effects.call(get(shop.address)), effects.call(post(shop.address))]

        first = code(tried(journal, shop.address))
        again = code(tried(journal, shop.address))
        assert [each["json"] for each in first] == [["x" * 100_000]] * 2
        assert again[0] == first[0]  # the read went out once more
        assert (again[1]["cut"], len(again[1]["text"])) == (True, 65_536)
        assert [each.method for each in shop.heard] == ["GET", "POST", "GET"]


def test_what_was_erased_is_not_given_again_nor_asked_again(journal: Journal, shop: Service) -> None:
    tried(journal, shop.address).call(post(shop.address))
    journal.forget(["run_a"])
    assert tried(journal, shop.address).call(post(shop.address)) == {
        "status": 201,
        "headers": {},
        "text": "",
        "erased": True,
    }
    assert len(shop.heard) == 1


def test_reads_of_a_run_that_is_never_tried_again_are_not_kept(journal: Journal, shop: Service) -> None:
    tried(journal, shop.address, again=False).call(get(shop.address))
    assert not journal.path.exists()


# -- any code, cut off anywhere ------------------------------------------------------------------------------------


class _Cut(BaseException):
    """The process ends here."""


@settings(deadline=None)
@given(
    calls=st.lists(st.tuples(st.booleans(), st.integers(0, 2)), min_size=1, max_size=5),
    cuts=st.lists(st.integers(0, 20), max_size=4),
)
def test_wherever_a_run_is_cut_off_every_write_is_carried_out_once(
    tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[bool, int]], cuts: list[int]
) -> None:
    path = tmp_path_factory.mktemp("effects") / "acme.effects"
    answered: dict[int, Any] = {}
    with service() as shop:

        def code(effects: Effects) -> None:
            for place, (writes, what) in enumerate(calls):
                asked = post(shop.address, what) if writes else get(shop.address, f"/{what}")
                answer = effects.call(asked)
                # Whoever was told of a write once is told the same for ever.
                assert not writes or answered.setdefault(place, answer) == answer

        for cut in [*cuts, None]:
            journal = Journal(path, "acme")
            try:
                code(tried(journal, f"{shop.address}=Idempotency-Key", step=_cut_off(cut)))
            except _Cut:
                pass
            finally:
                journal.close()
    written = sum(writes for writes, _ in calls)
    keys = [f"run_a-{place}" for place, (writes, _) in enumerate(calls, 1) if writes]
    # The service carries a key out once: whoever sends another key, or leaves one out, is found here.
    assert {key for key in shop.done if key} == set(keys)
    assert written <= sum(each.method == "POST" for each in shop.heard) <= written + len(cuts)


def _cut_off(after: int | None) -> Callable[[str], None]:
    left = [after]

    def step(name: str) -> None:
        if left[0] is None:
            return
        if left[0] == 0:
            raise _Cut(name)
        left[0] -= 1

    return step


def test_every_failure_is_an_error_with_a_code(journal: Journal) -> None:
    def reply(heard: Heard) -> tuple[int, dict[str, str], bytes]:
        return 200, {"Content-Encoding": "br"}, b"x"

    with service(reply) as shop, pytest.raises(VerbenaError) as refused:
        tried(journal, shop.address).call(get(shop.address))
    assert refused.value.as_dict()["code"] == "limit_exceeded"
