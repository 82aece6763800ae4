"""The filter of system calls, read as the kernel reads it, for both machines."""

import struct

import pytest

from runtime.sandbox import landlock
from runtime.sandbox.seccomp import AARCH64, ARCHITECTURES, X86_64, Architecture, compiled

KILL, ALLOW, REFUSE = 0x80000000, 0x7FFF0000, 0x00050001  # the last with EPERM
CALLS_MAX = 1_000
machines = pytest.mark.parametrize("machine", ARCHITECTURES.values(), ids=ARCHITECTURES.keys())


def answer(machine: Architecture, number: int, *arguments: int, audit: int | None = None) -> int:
    """What the filter says to a system call."""
    given = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("IIQ6Q", number, machine.audit if audit is None else audit, 0, *given)
    program, place, loaded = compiled(machine), 0, 0
    while True:
        code, held, failed, value = struct.unpack_from("HBBI", program, 8 * place)
        place += 1
        match code:
            case 0x20:
                loaded = struct.unpack_from("I", data, value)[0]
            case 0x06:
                return value
            case 0x15:
                place += held if loaded == value else failed
            case 0x35:
                place += held if loaded >= value else failed
            case 0x45:
                place += held if loaded & value else failed
            case _:
                raise AssertionError(f"no such instruction: {code:#x}")


@machines
def test_only_what_is_listed_is_allowed(machine: Architecture) -> None:
    allowed = {number for number in range(CALLS_MAX) if answer(machine, number, 0, 0) == ALLOW}
    by_arguments = {machine.numbers["prlimit64"]}
    assert allowed == set(machine.numbers.values())
    assert {number for number in range(CALLS_MAX) if answer(machine, number, 1, 9, 4) == ALLOW} == (
        allowed - by_arguments - {machine.numbers["mmap"], machine.numbers["mprotect"]}
    )


@machines
def test_what_is_not_allowed_is_refused_and_not_killed(machine: Architecture) -> None:
    assert {answer(machine, number) for number in range(CALLS_MAX)} == {ALLOW, REFUSE}


@machines
@pytest.mark.parametrize("call", ["mmap", "mprotect"])
def test_no_memory_becomes_executable(machine: Architecture, call: str) -> None:
    assert [answer(machine, machine.numbers[call], 0, 4096, protection) for protection in range(8)] == (
        [ALLOW] * 4 + [REFUSE] * 4
    )
    assert answer(machine, machine.numbers[call], 0, 4096, 0xFFFF_FFFF_0000_0004) == REFUSE


@machines
def test_limits_are_set_for_the_process_itself_and_only_two_of_them(machine: Architecture) -> None:
    number = machine.numbers["prlimit64"]
    assert {limit for limit in range(20) if answer(machine, number, 0, limit) == ALLOW} == {0, 9}
    assert {answer(machine, number, process, 9) for process in (1, 2, 0xFFFF_FFFF)} == {REFUSE}


@machines
def test_calls_by_another_machines_numbers_end_the_process(machine: Architecture) -> None:
    foreign = 0x4000_0003  # i386, on the same processor
    other = AARCH64 if machine is X86_64 else X86_64
    assert {answer(machine, 0, audit=audit) for audit in (foreign, other.audit, 0)} == {KILL}


def test_the_second_interface_of_x86_64_ends_the_process() -> None:
    assert {answer(X86_64, 0x4000_0000 + number) for number in (0, 39, 520)} == {KILL}


def test_both_machines_allow_the_same_calls() -> None:
    assert set(X86_64.numbers) == set(AARCH64.numbers)
    assert len(set(AARCH64.numbers.values())) == len(AARCH64.numbers)


def test_each_version_of_landlock_is_given_only_what_it_knows() -> None:
    # As the kernel's header has them: 13 rights of files, then refer, truncate, ioctl; bind and connect; two scopes.
    assert [(len(landlock.ruleset(abi)), struct.unpack_from("Q", landlock.ruleset(abi))[0]) for abi in range(1, 9)] == [
        (8, 0x1FFF),
        (8, 0x3FFF),
        (8, 0x7FFF),
        (16, 0x7FFF),
        (16, 0xFFFF),
        (24, 0xFFFF),
        (24, 0xFFFF),
        (24, 0xFFFF),
    ]
    assert landlock.ruleset(4)[8:] == struct.pack("Q", 3)
    assert landlock.ruleset(6)[8:] == struct.pack("QQ", 3, 3)
