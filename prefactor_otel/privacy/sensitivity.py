"""Values that are sent and marked as sensitive, in the wrapper that the API has for them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from prefactor_otel.privacy.patterns import NAMED

WRAPPER: Final = "$sensitive"

_LABELS: Final = {
    **{name: name.removesuffix("s") for name in NAMED},
    "ip_addresses": "ip_address",
}

_OURS: Final = ("metadata", "repaired")


@dataclass(frozen=True, slots=True)
class Rule:
    """What is sensitive: what stands at a path or below it, ``*`` being any one name; or, where
    the path is the name of a mask, texts in which that finds something."""

    path: str
    labels: tuple[str, ...] = ()

    def labels_for(self, path: str, value: str | float) -> tuple[str, ...] | None:
        """The labels of a value at this path; None if the rule does not mean it."""
        mask = NAMED.get(self.path)
        if mask is None:
            return self.labels if _pattern(self.path).fullmatch(path) is not None else None
        if mask(path, str(value)) == str(value):
            return None
        return self.labels or (_LABELS[self.path],)


def _pattern(path: str) -> re.Pattern[str]:
    names = ("[^.]+" if name == "*" else re.escape(name) for name in path.split("."))
    return re.compile(r"\.".join(names) + r"(?:\..*)?", re.DOTALL)  # compiled once: re has a cache


def wrapped(rules: tuple[Rule, ...], path: str, value: object) -> object:
    """A copy in which every text and number that a rule means is an object of ``$sensitive``
    (``string`` or ``number``), ``value`` and ``labels``. The value must be plain JSON."""
    if isinstance(value, Mapping):
        if WRAPPER in value:  # the application's own
            return value
        return {
            name: inner if (path, name) == _OURS else wrapped(rules, f"{path}.{name}", inner)
            for name, inner in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [wrapped(rules, f"{path}.{place}", inner) for place, inner in enumerate(value)]
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        return value
    found = [rule.labels_for(path, value) for rule in rules]
    meant = [labels for labels in found if labels is not None]
    if not meant:
        return value
    # In this order, because what is too large loses its first members first.
    return {
        "value": value,
        "labels": sorted({label for labels in meant for label in labels}),
        WRAPPER: "string" if isinstance(value, str) else "number",
    }
