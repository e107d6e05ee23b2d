"""OpenAI's embeddings: three dimensions, whatever is asked."""

import base64
import struct

from tests.model.chat import not_found
from tests.model.script import UNKNOWN_MODEL, Json, Reply

_VECTOR = (0.125, -0.25, 0.5)


def reply(_number: int, _path: str, asked: Json) -> Reply:
    """A vector for each text."""
    if asked["model"] == UNKNOWN_MODEL:
        return Reply.of(not_found(asked), 404)
    texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
    vector: object = list(_VECTOR)
    if asked.get("encoding_format") == "base64":
        vector = base64.b64encode(struct.pack(f"<{len(_VECTOR)}f", *_VECTOR)).decode()
    data = [{"object": "embedding", "index": i, "embedding": vector} for i in range(len(texts))]
    usage = {"prompt_tokens": 8 * len(texts), "total_tokens": 8 * len(texts)}
    return Reply.of({"object": "list", "data": data, "model": asked["model"], "usage": usage})
