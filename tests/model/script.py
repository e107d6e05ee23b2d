"""What the model says and counts, whatever API it is asked by."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

Json = dict[str, Any]

ANSWER: Final = "It is sunny, 21C in Paris."
TOOL: Final = "get_weather"
LAST_TOOL: Final = "final_answer"
"""Where an agent declares a tool of this name, that is how it wants to be answered."""
UNKNOWN_MODEL: Final = "no-such-model"
"""The name of a model that every API answers with its 404."""


class Tokens(NamedTuple):
    """What a call takes: of the prompt some are cached, of the completion some are thoughts."""

    prompt: int
    completion: int
    cached: int
    reasoning: int

    @property
    def total(self) -> int:
        """Of both."""
        return self.prompt + self.completion


TOKENS: Final = Tokens(prompt=120, completion=30, cached=64, reasoning=16)


@dataclass(frozen=True)
class Call:
    """A call of a tool that the model asks for."""

    id: str
    name: str
    arguments: Json

    @property
    def text(self) -> str:
        """The arguments as JSON."""
        return json.dumps(self.arguments)


@dataclass(frozen=True)
class Asked:
    """What the model is asked, in no API's words: ``last`` is whatever was said last."""

    model: str
    is_users_turn: bool
    last: object
    tools: Sequence[str]


@dataclass(frozen=True)
class Reply:
    """An HTTP answer."""

    body: str
    content_type: str = "application/json"
    status: int = 200

    @classmethod
    def of(cls, answer: Json, status: int = 200) -> "Reply":
        """One JSON object."""
        return cls(json.dumps(answer), status=status)

    @classmethod
    def events(cls, events: Sequence[Json], *, named: bool = False, end: str = "") -> "Reply":
        """Server-sent events; ``named`` repeats each one's ``type`` as the event's name."""
        lines = [
            (f"event: {event['type']}\n" if named else "") + f"data: {json.dumps(event)}\n\n"
            for event in events
        ]
        return cls("".join(lines) + end, "text/event-stream")


def next_step(number: int, asked: Asked) -> Call | str:
    """A person gets a look at the weather, a tool's result gets an answer. Without any tool
    there is an answer at once, in the form that DSPy's prompts ask for if they do."""
    city = "Atlantis" if "Atlantis" in json.dumps(asked.last) else "Paris"
    if asked.is_users_turn and asked.tools:
        others = [name for name in asked.tools if name != LAST_TOOL]
        name = next((name for name in others if name.endswith(TOOL)), others[0])
        arguments = {"request": "weather"} if name.startswith("transfer_to") else {"city": city}
        return Call(f"call_{number}", name, arguments)
    if LAST_TOOL in asked.tools:
        return Call(f"call_{number}", LAST_TOOL, {"answer": ANSWER})
    if "[[ ## answer ## ]]" in json.dumps(asked.last):
        return f"[[ ## answer ## ]]\n{ANSWER}\n\n[[ ## completed ## ]]"
    return ANSWER


def halves(text: str) -> tuple[str, str]:
    """A text in two pieces, as models stream."""
    middle = len(text) // 2
    return text[:middle], text[middle:]
