"""What a reader collects from a span's attributes, and which of them it used."""

from prefactor_otel.span import Attributes


class Fields:
    """Payload fields under construction. ``take`` hands out an attribute and remembers it as
    used; what nobody takes ends up in the payload's metadata."""

    __slots__ = ("inputs", "metadata", "name", "outputs", "source", "token_usage", "used")

    def __init__(self, source: Attributes) -> None:
        self.source = source
        self.used: set[str] = set()
        self.name: str | None = None
        self.inputs: dict[str, object] = {}
        self.outputs: dict[str, object] = {}
        self.metadata: dict[str, object] = {}
        self.token_usage: dict[str, int] | None = None

    def take(self, key: str) -> object:
        """The attribute's value, or None; from now on it counts as used."""
        value = self.source.get(key)
        if value is not None:
            self.used.add(key)
        return value
