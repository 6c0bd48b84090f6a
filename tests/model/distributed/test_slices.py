"""How variables are divided among parameter servers."""

from hypothesis import given
from hypothesis import strategies as st

from smt_model.distributed.slices import Slice, dealt, slices_of


def test_a_slice_has_the_minimum_at_least_and_a_server_one_slice_at_most() -> None:
    shape = (1000, 16)  # 64,000 bytes
    assert slices_of(shape, 64_000, 4) == [(0, 1000)]
    assert slices_of(shape, 32_000, 4) == [(0, 500), (500, 1000)]
    assert slices_of(shape, 20_000, 4) == [(0, 333), (333, 666), (666, 1000)]
    assert slices_of(shape, 1, 4) == [(0, 250), (250, 500), (500, 750), (750, 1000)]


def test_without_a_minimum_a_variable_stays_whole() -> None:
    assert slices_of((1000, 16), 0, 4) == [(0, 1000)]


def test_each_slice_goes_to_the_server_with_the_least() -> None:
    found = dealt([(100, 4), (10, 4), (10, 4), (85, 4)], [0, 0, 0, 0], 2)
    assert found == [
        [Slice(0, 0, 100)],
        [Slice(1, 0, 10)],
        [Slice(1, 0, 10)],
        [Slice(1, 0, 85)],
    ]
    assert dealt([(100, 4), (101, 4)], [0, 400], 2)[1] == [Slice(1, 0, 50), Slice(0, 50, 101)]


@given(
    st.lists(st.tuples(st.integers(1, 300), st.integers(1, 9)), max_size=8),
    st.integers(0, 2000),
    st.integers(1, 7),
)
def test_slices_hold_every_row_once_on_servers_of_their_own(
    shapes: list[tuple[int, int]], minimum: int, servers: int
) -> None:
    for shape, slices in zip(shapes, dealt(shapes, [minimum] * len(shapes), servers), strict=True):
        assert [row for part in slices for row in range(*part[1:])] == list(range(shape[0]))
        assert len({part.server for part in slices}) == len(slices)
        assert all(0 <= part.server < servers for part in slices)
