"""Our PFIDs against the reference implementation."""

import time

import pfid as reference  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefactor_otel_transport import pfid

timestamps = st.integers(0, pfid.MAX_TIMESTAMP_MS)
partitions = st.integers(0, pfid.MAX_PARTITION)
randoms = st.integers(0, pfid.MAX_RANDOM)
SYMBOLS = "0123456789abcdefghjkmnpqrstvwxyz"


def binary(timestamp_ms: int, partition: int, random80: int) -> reference.BinaryPfid:
    parts = timestamp_ms.to_bytes(6), partition.to_bytes(4), random80.to_bytes(10)
    return reference.BinaryPfid(b"".join(parts))


@given(timestamps, partitions, randoms)
def test_the_text_is_that_of_the_reference(ms: int, partition: int, random80: int) -> None:
    text = pfid.encode(ms, partition, random80)
    assert text == reference.encode(binary(ms, partition, random80))
    assert reference.decode(text) == binary(ms, partition, random80)
    assert reference.extract_partition(text) == pfid.partition_of(text) == partition


@given(timestamps, partitions, randoms)
def test_decoding_gives_back_what_was_encoded(ms: int, partition: int, random80: int) -> None:
    assert pfid.decode(pfid.encode(ms, partition, random80)) == (ms, partition, random80)


@given(st.tuples(timestamps, partitions, randoms), st.tuples(timestamps, partitions, randoms))
def test_the_order_of_texts_is_that_of_their_parts(
    one: tuple[int, int, int], other: tuple[int, int, int]
) -> None:
    assert (pfid.encode(*one) < pfid.encode(*other)) is (one < other)


@given(
    st.text(SYMBOLS, min_size=31, max_size=33)
    | st.text(SYMBOLS + "ilou8Z-", min_size=32, max_size=32)
    | st.text()
)
def test_what_is_a_pfid_is_decided_as_by_the_reference(text: str) -> None:
    assert pfid.is_pfid(text) is reference.is_pfid(text)


@pytest.mark.parametrize(
    "text",
    ["", "0" * 31, "0" * 33, "8" + "0" * 31, "0" * 31 + "i", "0" * 31 + "A", "0" * 32 + "\n"],
)
def test_what_is_no_pfid_cannot_be_decoded(text: str) -> None:
    assert not pfid.is_pfid(text)
    with pytest.raises(ValueError):
        pfid.decode(text)
    with pytest.raises(ValueError):
        pfid.partition_of(text)


@pytest.mark.parametrize(
    "parts",
    [
        (-1, 0, 0),
        (0, -1, 0),
        (0, 0, -1),
        (pfid.MAX_TIMESTAMP_MS + 1, 0, 0),
        (0, pfid.MAX_PARTITION + 1, 0),
        (0, 0, pfid.MAX_RANDOM + 1),
    ],
)
def test_parts_that_do_not_fit_are_refused(parts: tuple[int, int, int]) -> None:
    with pytest.raises(OverflowError):
        pfid.encode(*parts)


@given(partitions)
def test_a_new_id_has_its_partition_and_the_current_time(partition: int) -> None:
    before = time.time_ns() // 1_000_000
    text = pfid.generate(partition)
    after = time.time_ns() // 1_000_000
    assert reference.is_pfid(text)
    ms, found, _ = pfid.decode(text)
    assert before <= ms <= after
    assert found == partition


def test_new_ids_differ() -> None:
    assert len({pfid.generate(1) for _ in range(1000)}) == 1000
