"""What is to be done about what keeps a command from the API, and how a token is kept out of it."""

import re
from typing import Final

from prefactor_otel.config.options import variable_of

PIECE: Final = 6
"""So many characters of a token in a row tell something about it."""

NO_TOKEN: Final = f"{variable_of('api_token')} is not set"
GET_TOKEN: Final = (
    "Create an API token on the platform and set PREFACTOR_API_TOKEN to it. Without an account: "
    "prefactor-otel devserver serves the API on this machine, and says what to set."
)
WHOLE_TOKEN: Final = (
    "Check that PREFACTOR_API_TOKEN holds a whole, unexpired token of this platform."
)
ADDRESS: Final = "Check PREFACTOR_API_URL; it is the address without a path."
REACH: Final = "Check PREFACTOR_API_URL, the network, HTTPS_PROXY and private certificates."
REDIRECT: Final = (
    "Nothing is sent to where a redirect points. If that is the API, let PREFACTOR_API_URL name "
    "it, with https:// where it has that."
)
TROUBLE: Final = "The API has trouble of its own; try again in a minute."
CORRECT: Final = "Correct the variable that is named."


def without(secret: str, text: str) -> str:
    """The text without any piece of the secret, and without credentials in a URL: values from
    settings and answers may hold them by mistake."""
    text = re.sub(r"//[^/\s]*@", "//***@", text)
    pieces = (secret[at : at + PIECE] for at in range(len(secret) - PIECE + 1))
    for piece in pieces:
        text = text.replace(piece, "*" * PIECE)
    return text
