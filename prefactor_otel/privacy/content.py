"""Whether a name says that its value is content: what users, models and tools said.

With capture off, content leaves only if it is known to be none. In the vocabularies of AI and in
events everything is content but for what is allowed here; elsewhere the words of a name decide, and
what is no number, word or short line (``privacy.values``) is content under whatever name.
"""

import re
from enum import Flag
from functools import lru_cache
from typing import Final

from prefactor_otel.words import words_of


class Side(Flag):
    """Whose content it is: what somebody was asked or given, what came back, or either."""

    NONE = 0
    INPUT = 1
    OUTPUT = 2
    BOTH = 3


NOT_CAPTURED: Final = "[not captured]"
"""Stands for the text of an error, which may quote anything."""


def _set(*words: str) -> frozenset[str]:
    return frozenset(" ".join(words).split())


def _words_of(sides: dict[Side, str]) -> dict[str, Side]:
    return {word: side for side, words in sides.items() for word in words.split()}


_WHOLE: Final = _words_of(
    {
        Side.INPUT: "input parameter param variable",
        Side.OUTPUT: "output result",
        Side.BOTH: (
            "argument arg kwarg content body record payload row vector stacktrace traceback event"
        ),
    }
)
"""Words of content that often has names of its own below: whatever these are, it is content."""
_LOOSE: Final = _words_of(
    {
        Side.INPUT: "prompt question query instruction request expected",
        Side.OUTPUT: "response answer completion explanation reply choice return returned",
        Side.BOTH: (
            "message msg text transcript transcription document embedding statement summary "
            "reasoning thought thinking template history utterance speech refusal stack error "
            "chunk snippet passage note comment feedback rationale observation description"
        ),
    }
)
"""Words of content that has properties, too, which are none: the id of a request."""
_SINGLE: Final = _set("id kind version status code index port level")
"""Properties that a word tells, or a number."""
_PROPERTIES: Final = _SINGLE | _set(
    "name type method model provider role format language time timestamp date address host effort",
    "label escaped truncated",
)
"""What the last word of a name may be, where a property is no content."""
_COUNTED: Final = _set("usage count cost")
"""Words of what is counted, wherever they stand."""
_MEASURED: Final = _set(
    "token size length byte price duration latency ms mime dimension score temperature"
)
"""Words of what is measured, if no word of content comes last."""

_AI: Final = re.compile(
    r"(gen_ai|llm|ai|openinference|input|output|retrieval|embedding|reranker|prompt|tool"
    r"|traceloop|crewai|smolagents)\.|crew_|metadata$"
)
"""The vocabularies of AI: GenAI's, OpenLLMetry's, Vercel's, OpenInference's, Traceloop's, CrewAI's
and smolagents'."""
_ALLOWED: Final = _PROPERTIES | _set(
    "system operation vendor tag path p k seed penalty stream streaming tier fingerprint",
    "step iteration base location region enabled sequences",
)
"""Last words of what is allowed in these vocabularies and in events."""
_OF_ONE_WORD: Final = _SINGLE | _set(
    "seed k p",
    "task goal objective plan todo memo memory state reason value retval data action call search",
    "subject patient customer wish thing finding",
)
"""Last words of names whose texts are one word, if they are none that somebody has said."""
_SPEAKERS: Final = {
    "user": Side.INPUT,
    "system": Side.INPUT,
    "tool": Side.INPUT,
    "assistant": Side.OUTPUT,
}
"""Whose content an event holds that is named after who speaks."""


_OF_RESOURCE: Final = re.compile(
    r"(service|telemetry|os|host|process|container|k8s|cloud|faas|deployment|device|webengine"
    r"|browser|aws\.(ecs|eks|log))\."
)
"""What the semantic conventions say of the machine, the process and the service."""
_REASONS: Final = (("finish", "reason"), ("stop", "reason"))
_ASKED_BY_SHELL: Final = ("command", "line")
"""What agents of the command line are asked with."""


def is_of_resource(name: str) -> bool:
    """Whether the conventions name it for a resource; what they call a description or a list is
    none that somebody has said."""
    return _OF_RESOURCE.match(name) is not None


@lru_cache(maxsize=4096)
def is_counted(name: str) -> bool:
    """Whether its words say that numbers stand there."""
    words = words_of(name)
    return not _COUNTED.isdisjoint(words) or not _MEASURED.isdisjoint(words)


def is_allowed(name: str) -> bool:
    """Whether its last word is one of what is allowed in every vocabulary: an id, a name, a tag."""
    words = words_of(name)
    return bool(words) and words[-1] in _ALLOWED


@lru_cache(maxsize=4096)
def is_of_one_word(name: str) -> bool:
    """Whether a text of several words under this name is one that somebody has said, or may be."""
    words = words_of(name)
    return bool(words) and words[-1] in _OF_ONE_WORD and not is_of_resource(name)


def names_content(name: str) -> bool:
    """Whether its last word is one of content."""
    words = words_of(name)
    return bool(words) and (words[-1] in _WHOLE or words[-1] in _LOOSE)


@lru_cache(maxsize=4096)
def side_of(name: str) -> Side:
    """Whose content the value of an attribute of this name is."""
    words = words_of(name)
    last = words[-1] if words else ""
    if words[-2:] == _ASKED_BY_SHELL:
        return Side.INPUT
    if words[-2:] in _REASONS or (last == "description" and is_of_resource(name)):
        return Side.NONE
    is_content = last in _WHOLE or last in _LOOSE
    if not _COUNTED.isdisjoint(words) or (not is_content and not _MEASURED.isdisjoint(words)):
        return Side.NONE
    is_ai = _AI.match(name) is not None
    if not _WHOLE.keys().isdisjoint(words):
        return _together(words)
    if last in (_ALLOWED if is_ai else _PROPERTIES):
        return Side.NONE
    return _together(words) or (Side.BOTH if is_ai else Side.NONE)


@lru_cache(maxsize=4096)
def side_in_event(event: str, name: str) -> Side:
    """The same of an event's attribute: there, too, only what is known to be none is none."""
    side = side_of(name)
    words = words_of(name)
    if not side and words and not _KNOWN.isdisjoint((words[-1], *words[-2:-1])):
        return Side.NONE
    side = side or Side.BOTH
    of_event = _side_of_event(event)
    return of_event if of_event and side is Side.BOTH else side | of_event


def _side_of_event(event: str) -> Side:
    """The side that an event's name says: by who speaks, else by its words."""
    words = words_of(event)
    told = Side.NONE
    for word in words:
        told |= _SPEAKERS.get(word, Side.NONE)
    side = _together(words)
    return told or (Side.NONE if side is Side.BOTH else side)


_KNOWN: Final = _ALLOWED | _COUNTED | _MEASURED


def _together(words: tuple[str, ...]) -> Side:
    """The side that some of the words name; of both where none does, and content is named."""
    sides = [side for word in words if (side := _WHOLE.get(word) or _LOOSE.get(word))]
    told = Side.NONE
    for side in sides:
        told |= side if side is not Side.BOTH else Side.NONE
    return told or (Side.BOTH if sides else Side.NONE)
