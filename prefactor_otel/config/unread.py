"""Variables that look like settings and are none: a misspelt one changes nothing, also where it was
to keep content out."""

import os
from typing import Final

from prefactor_otel.config.options import variables
from prefactor_otel.stats.log import logger

_OURS: Final = "PREFACTOR_"

_told: Final[set[str]] = set()


def unread_variables() -> dict[str, str | None]:
    """Each such variable by name, and the one that may be meant, if any is alike."""
    read = set(variables().values())
    ours = [name for name in sorted(os.environ) if name.upper().startswith(_OURS)]
    return {name: _nearest(name) for name in ours if name.upper() not in read}


def warn_of_misspelt() -> None:
    """Say once of each variable that is like one of ours that nothing reads it."""
    for name, meant in unread_variables().items():
        if meant is not None and name not in _told:
            _told.add(name)
            logger.warning("Nothing reads the variable %s: did you mean %s?", name, meant)


def _nearest(name: str) -> str | None:
    """The variable that is most like this name, or whose option is; what all begin with tells
    nothing."""
    from difflib import get_close_matches  # for the few who have misspelt one

    ends = {option.upper(): variable for option, variable in variables().items()}
    ends |= {variable.removeprefix(_OURS): variable for variable in ends.values()}
    found = get_close_matches(name.upper().removeprefix(_OURS), list(ends), n=1)
    return ends[found[0]] if found else None
