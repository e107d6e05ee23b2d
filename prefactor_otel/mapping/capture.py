"""What may leave the process of what a span says."""

from dataclasses import dataclass, field
from typing import Final, Literal

from prefactor_otel.mapping.vocabulary import side_in_rules
from prefactor_otel.payload.encode import limited
from prefactor_otel.payload.repairs import Repairs
from prefactor_otel.privacy.content import Side
from prefactor_otel.privacy.masking import Masking
from prefactor_otel.privacy.sensitivity import Rule
from prefactor_otel.privacy.values import can_be_content, settings_alone


@dataclass(frozen=True, slots=True)
class Capture:
    """Which content may leave the process, how long its texts may be (0: no limit), what is
    masked in everything, and what is marked as sensitive."""

    inputs: bool = True
    outputs: bool = True
    max_input_length: int = 0
    max_output_length: int = 0
    mask: Masking | None = None
    sensitive: tuple[Rule, ...] = ()
    leaves_fields: bool = field(init=False, repr=False, compare=False)
    """Whether inputs and outputs leave as they are: known once, because every span asks."""
    hidden: Side = field(init=False, repr=False, compare=False)
    """The content that is not to leave."""
    hidden_bits: int = field(init=False, repr=False, compare=False)
    """The same as a number."""

    def __post_init__(self) -> None:
        wanted = self.inputs and self.outputs and self.mask is None
        is_limited = self.max_input_length or self.max_output_length
        object.__setattr__(self, "leaves_fields", wanted and not is_limited)
        hidden = Side.NONE if self.inputs else Side.INPUT
        object.__setattr__(self, "hidden", hidden if self.outputs else hidden | Side.OUTPUT)
        object.__setattr__(self, "hidden_bits", self.hidden.value)


def captured(
    part: Literal["inputs", "outputs"],
    fields: dict[str, object],
    capture: Capture,
    repairs: Repairs,
) -> dict[str, object]:
    """The fields as they may be sent: masked, then cut to length, because a part of a secret is
    none that a mask knows; of unwanted ones only what is no content."""
    is_input = part == "inputs"
    wanted = capture.inputs if is_input else capture.outputs
    if not wanted:
        fields = _no_content(fields)
    if capture.mask is not None:
        fields = capture.mask.fields(part, fields, repairs)
    if not wanted:
        return fields
    length = capture.max_input_length if is_input else capture.max_output_length
    return limited(fields, length, repairs)


def _no_content(fields: dict[str, object]) -> dict[str, object]:
    """The fields of inputs and outputs that nobody has said."""
    told: dict[str, object] = {
        name: fields[name]
        for name in _NO_CONTENT
        if name in fields and not can_be_content(name, fields[name])
    }
    parameters = fields.get("parameters")
    settings = settings_alone(parameters) if isinstance(parameters, dict) else None
    return {**told, "parameters": settings} if settings else told


_NO_CONTENT: Final = (
    *("model", "stop_reason", "count", "dimensions"),
    *("from_agent", "to_agent", "triggered"),
)


def cut_content(
    attributes: dict[str, object], capture: Capture, repairs: Repairs
) -> dict[str, object]:
    """The attributes, with content that no reader has taken up as long as it may be there."""
    for length, side in (
        (capture.max_input_length, Side.INPUT),
        (capture.max_output_length, Side.OUTPUT),
    ):
        if length:
            found = {
                name: value for name, value in attributes.items() if side_in_rules(name) & side
            }
            attributes = attributes | limited(found, length, repairs)
    return attributes


def without_content(attributes: dict[str, object], capture: Capture) -> dict[str, object]:
    """The attributes that may leave."""
    hidden = capture.hidden
    if not hidden:
        return attributes
    return {
        name: value
        for name, value in attributes.items()
        if not is_hidden(side_in_rules(name), name, value, hidden)
    }


def is_hidden(side: Side, name: str, value: object, hidden: Side) -> bool:
    """Whether a value is not to leave: its name says so, or says nothing and the value may be
    content."""
    return bool(side & hidden) if side else can_be_content(name, value)
