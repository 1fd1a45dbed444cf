"""Failure that all ranks agree on, and what must be the same on all of them."""

import numpy as np
import pytest
from mpi4py import MPI

from app.parallel import FailedElsewhere, agreed, check_identical, on_root

pytestmark = pytest.mark.distributed

LAST = MPI.COMM_WORLD.size - 1


class Unsendable(ValueError):
    """An error that pickle cannot make again: its arguments are not those of its constructor."""

    def __init__(self, number: int, name: str) -> None:
        super().__init__(f"number {number} of {name}")


def caught(
    comm: MPI.Comm, failing: set[int], error: type[BaseException] = ValueError
) -> BaseException | None:
    """What `agreed` raises here when these ranks fail, each with its own message."""
    try:
        with agreed(comm):
            if comm.rank in failing:
                raise error(f"rank {comm.rank}")
    except BaseException as raised:
        return raised
    return None


def test_nothing_is_raised_where_no_rank_fails(comm: MPI.Comm) -> None:
    """The body runs on every rank and nothing happens."""
    ran = False
    with agreed(comm):
        ran = True
    assert ran


@pytest.mark.parametrize("failing", [{0}, {LAST}, set(range(LAST + 1))], ids=["first", "last", "all"])
def test_the_lowest_failing_rank_speaks_for_all(comm: MPI.Comm, failing: set[int]) -> None:
    """The same error, type and message, is raised on every rank."""
    raised = caught(comm, failing)
    found = comm.allgather((type(raised), str(raised)))
    assert found == [(ValueError, f"rank {min(failing)}")] * comm.size


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, MemoryError, GeneratorExit])
def test_what_is_no_exception_is_agreed_too(comm: MPI.Comm, error: type[BaseException]) -> None:
    """A rank that ended by itself would leave the others waiting."""
    raised = caught(comm, {LAST}, error)
    assert comm.allgather((type(raised), str(raised))) == [(error, f"rank {LAST}")] * comm.size


def test_ranks_can_go_on_after_a_failure(comm: MPI.Comm) -> None:
    """One failure leaves nothing behind: the next block fails or succeeds on its own."""
    assert caught(comm, {LAST}) is not None
    assert caught(comm, set()) is None
    assert str(caught(comm, {0})) == "rank 0"
    assert comm.allreduce(1) == comm.size


def test_an_error_that_cannot_be_sent_keeps_its_message(comm: MPI.Comm) -> None:
    """The failing rank raises its own; the others FailedElsewhere with the same words."""
    with pytest.raises((Unsendable, FailedElsewhere), match="number 3 of Hydra") as raised, agreed(comm):
        if comm.rank == LAST:
            raise Unsendable(3, "Hydra")
    assert isinstance(raised.value, Unsendable) == (comm.rank == LAST)


def test_only_rank_0_works_and_all_have_the_result(comm: MPI.Comm) -> None:
    """The function is called once, on rank 0."""
    calls: list[int] = []

    def work() -> dict[str, int]:
        calls.append(comm.rank)
        return {"answer": 42}

    assert on_root(comm, work) == {"answer": 42}
    assert comm.allgather(calls) == [[0]] + [[]] * LAST


def test_an_error_on_rank_0_is_raised_everywhere(comm: MPI.Comm) -> None:
    """FileNotFoundError, with its file, on every rank."""

    def work() -> None:
        raise FileNotFoundError(2, "not there", "data.csv")

    with pytest.raises(FileNotFoundError) as raised:
        on_root(comm, work)
    assert comm.allgather(raised.value.filename) == ["data.csv"] * comm.size


def test_equal_arrays_are_identical(comm: MPI.Comm) -> None:
    """Bit for bit, in either order of memory and as a strided view."""
    array = np.random.default_rng(0).standard_normal((6, 4))
    check_identical(comm, array, "parameters")
    check_identical(comm, np.asfortranarray(array) if comm.rank else array, "parameters")
    check_identical(comm, array[::2, 1], "parameters")
    check_identical(comm, np.empty(0), "parameters")


@pytest.mark.skipif(LAST == 0, reason="one rank cannot differ from itself")
@pytest.mark.parametrize("odd", range(LAST + 1))
def test_the_last_digit_of_one_rank_is_noticed(comm: MPI.Comm, odd: int) -> None:
    """RuntimeError on every rank, naming what differs, if one rank's array is off by one rounding error."""
    array = np.random.default_rng(0).standard_normal(1000)
    if comm.rank == odd:
        array[500] = np.nextafter(array[500], np.inf)
    with pytest.raises(RuntimeError, match="parameters differ between ranks"):
        check_identical(comm, array, "parameters")
