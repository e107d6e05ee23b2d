"""Vectors, which are measured and never sent: they say nothing to a reader and weigh megabytes."""

import re
from typing import Final

Fields = dict[str, object]


def measured(output: object) -> Fields:
    """How many vectors of how many dimensions, never the vectors; what is none, as it is."""
    vectors = output.get("data") if isinstance(output, dict) else output
    if isinstance(output, str) and _CUT_OFF.match(output):
        return {}
    if not isinstance(vectors, list) or not vectors:
        return {"output": output}
    if isinstance(vectors[0], dict):
        vectors = [entry.get("embedding") for entry in vectors if isinstance(entry, dict)]
    if all(isinstance(vector, list) for vector in vectors):
        return {"count": len(vectors), "dimensions": len(vectors[0])}
    if all(isinstance(number, (int, float)) for number in vectors):
        return {"count": 1, "dimensions": len(vectors)}
    return {"output": output}


_CUT_OFF: Final = re.compile(r"[\[{].*?\[\s*-?\d", re.DOTALL)
"""The beginning of vectors in JSON that ends somewhere, so that nobody can count them."""
