"""JSON of any length is read a value at a time, and where it ends or goes wrong is known."""

import json
from collections.abc import Callable
from io import StringIO

import pytest

from prefactor_otel.spans.documents import CutError, Documents

Way = Callable[[Documents], object]

TEXT = r"""
{"a": [1, -2.5e+3, true, null, NaN, -Infinity, "é \ud83d\ude00 \" \\"], "b": {}, "c": []}
[{"d": "two
lines"}]
""".replace("two\nlines", r"two\nlines")


def opened(documents: Documents) -> object:
    """The value that comes next, with all arrays and objects opened down to the innermost."""
    sign = documents.peek()
    if sign == "[":
        return [opened(documents) for _ in documents.elements()]
    if sign == "{":
        return {name: opened(documents) for name in documents.members()}
    return documents.value()


WAYS = pytest.mark.parametrize("way", [Documents.value, opened], ids=["whole", "opened"])
CHUNKS = pytest.mark.parametrize("chunk", [1, 2, 3, 7, 64, 1_000])


def read_of(text: str, chunk: int) -> Documents:
    return Documents(StringIO(text).read, chunk)


@WAYS
@CHUNKS
def test_what_is_read_is_the_same_in_pieces_of_any_size(way: Way, chunk: int) -> None:
    documents, values = read_of(TEXT, chunk), []
    while documents.peek():
        values.append(way(documents))
    assert repr(values) == repr([json.loads(line) for line in TEXT.strip().splitlines()])


@WAYS
@CHUNKS
def test_a_text_that_ends_too_early_is_told_from_one_that_is_wrong(way: Way, chunk: int) -> None:
    first = TEXT.strip().splitlines()[0]
    for length in range(1, len(first)):
        with pytest.raises(CutError) as caught:
            way(read_of("\n\n" + first[:length], chunk))
        assert caught.value.line == 3


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("nothing", 1),
        ('{"a": 1,\n"b": tru }', 2),
        ('{"a": 1,\n\n}', 3),
        ('{"a"\n1}', 2),
        ('["a"\n"b"]', 2),
        ("[1,]", 1),
        ('"two\nlines"', 1),
        (r'["\u12zz"]', 1),
        ("[1.]", 1),
        ('{"a": {]}', 1),
        ('{"a": [}}', 1),
    ],
)
@WAYS
@CHUNKS
def test_what_is_wrong_is_named_by_its_line_and_not_quoted(
    text: str, line: int, way: Way, chunk: int
) -> None:
    with pytest.raises(ValueError, match=f"^not JSON at line {line}: ") as caught:
        way(read_of(text, chunk))
    assert not isinstance(caught.value, CutError)


def test_a_long_value_is_not_tried_again_for_every_piece_of_it() -> None:
    asked: list[int] = []
    source = StringIO(json.dumps("x" * 100_000))

    def read(size: int) -> str:
        asked.append(size)
        return source.read(size)

    assert len(str(Documents(read, 10).value())) == 100_000
    assert len(asked) < 20
