"""What a run comes to, kept in step with its spans: nobody walks all of them to show a list."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from prefactor_otel.devserver import reading
from prefactor_otel.devserver.form import Json
from prefactor_otel.mapping.usage import CACHED, COMPLETION, PROMPT, REASONING, TOTAL

_MOST_MODELS: Final = 20
_NOBODY: Final = 2
"""Further from the root than any span: nothing has been asked yet. As far stands
an answer that nobody has said: any text of a root, the value of a step."""


@dataclass(slots=True)
class Totals:
    """The sums of a run; who asked and who answered are rows of spans, with how far they stand
    from the root: 0 is the root, 1 below it."""

    spans: int = 0
    errors: int = 0
    input: int = 0
    output: int = 0
    cached: int = 0
    reasoning: int = 0
    total: int = 0
    question: str | None = None
    asked_by: int | None = None
    asked_depth: int = _NOBODY
    answered_by: int | None = None
    answered_depth: int = _NOBODY
    models: list[str] = field(default_factory=list)

    def add(self, outline: Json, usage: Mapping[str, int], sign: int = 1) -> None:
        """Count a span, or with -1 no longer count what it was before."""
        self.spans += sign
        if outline["status"] == "failed" or outline["error"] is not None:
            self.errors += sign
        if usage:
            self.input += sign * usage.get(PROMPT, 0)
            self.output += sign * usage.get(COMPLETION, 0)
            self.cached += sign * usage.get(CACHED, 0)
            self.reasoning += sign * usage.get(REASONING, 0)
            self.total += sign * usage.get(TOTAL, 0)

    def tell(self, span: Json, usage: Mapping[str, int], seq: int) -> None:
        """Take what a span tells of the run: the first question, by the root if by any; the last
        answer, by the root if it has said it; and the models that were asked."""
        depth = 0 if span["parent_span_id"] is None else 1
        if depth < self.asked_depth or seq == self.asked_by:
            question = reading.question_in(span)
            if question is not None:
                self.question = reading.line(question)
                self.asked_by, self.asked_depth = seq, depth
        answer = reading.told_answer(span)
        if answer is not None:
            depth = depth if answer.is_said else _NOBODY
            if depth <= self.answered_depth:
                self.answered_by, self.answered_depth = seq, depth
        model = reading.model_of(span) if usage else None
        if model is not None and model not in self.models and len(self.models) < _MOST_MODELS:
            self.models.append(model)
