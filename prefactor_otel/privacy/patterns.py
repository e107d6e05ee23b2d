"""The masks that have a name: what they find in a text, and what they leave in its place.

Each takes the path of a value and its text, and returns the text with a marker where something
was found. Patterns take time in proportion to the text, whatever that holds, and find rather too
much than too little.
"""

import re
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from itertools import accumulate
from typing import Final

NamedMask = Callable[[str, str], str]

_EMAIL: Final = re.compile(r"(?<![\w.+%-])[\w.+%-]+(?:@|%40)(?!\d+\.\d)[\w-]+(?:\.[\w-]+)+")
"""Not what stands before a number of a version: ``cpython@3.13.0``."""
_PHONE: Final = re.compile(
    r"(?<![\w.])(?:\+|00(?=[1-9]))\d(?:[ ().\-/]{0,3}\d){6,14}(?!\w)"  # with a country
    r"|(?<![\w.\-/])(?:\(\d{2,5}\) ?|\d{3}[ .\-])\d{3}[ .\-]\d{4}(?!\w)"  # North America
    r"|(?<![\w.\-/])\(?0[1-9]\d{0,4}\)?[ \-/]{1,3}\d(?:[ \-]?\d){4,10}(?!\w)"  # with an area
)
_SOME_DIGITS: Final = re.compile(r"\d(?:[ ().\-/]{0,3}\d){6}")
_DIGITS: Final = re.compile(r"(?<!\d)\d(?:[ \-]?\d){12,}(?!\d)")
_GROUP: Final = re.compile(r"\d+")
_JWT: Final = re.compile(
    # From the beginning of a word on, wherever in it the token begins: each is looked at once.
    r"(?<![\w-])(?P<before>(?:(?!eyJ)[\w-])*+)eyJ[\w-]{6,}+\.[\w-]++(?:\.[\w-]*+){1,3}"
)
_PRIVATE_KEY: Final = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,40}-----"
    r"(?s:.*?)(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,40}-----|\Z)"
)
_API_KEY: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?:sk|pk|rk|gsk|xai|pplx|lsv2|pf|hf|r8|npm|pypi|glpat|dop|shpat|whsec|tvly)[-_]"
    r"(?=[\w-]{0,64}\d)[\w-]{16,}"
    r"|gh[oprsu]_\w{16,}|github_pat_\w{16,}|xox[a-z]-[\w-]{10,}|xapp-[\w-]{10,}"
    r"|(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}|AIza[\w-]{30,}|ya29\.[\w-]{16,}"
    r"|SG\.[\w-]{16,}\.[\w-]{16,}"
    r")"
)
_AFTER_ITS_NAME: Final = re.compile(
    r"(?i)(?P<name>\b(?:bearer|basic)\s+"
    r"|(?:api[-_ ]?key|access[-_]?key|access[-_]?token|auth[-_]?token|refresh[-_]?token"
    r"|client[-_]?secret|secret[-_]?key|authorization)\\?[\"']?\s{0,3}[:=]>?\s{0,3}\\?[\"']?"
    r"(?:(?:token|digest|apikey|negotiate)\s{1,3})?)"
    r"(?P<secret>[\w.~+/=-]{8,})"
)
_NAME_OF_KEY: Final = re.compile(
    r"(?i)(?:^|\.)(?:[^.]*[-_])?(?:api[-_]?key|access[-_]?token|auth[-_]?token|refresh[-_]?token"
    r"|(?:id|ad|bearer|security)[-_]?token|(?:client|app)[-_]?secret|secret[-_]?(?:access[-_]?)?key|private[-_]?key"
    r"|authorization|cookie)(?:\.|$)|(?:^|\.)token(?:\.\d+)?$"
)
_NAME_OF_PASSWORD: Final = re.compile(
    r"(?i)(?:^|\.)[^.]*(?:password|passwd|passphrase|pwd|secret)(?:\.|$)"
)
"""In a path: of a value, or of an object that it is in."""


def lets_in(name: str) -> bool:
    """Whether a value of this name is a key, a password, or headers that may have one."""
    return any(p.search(name) for p in (_NAME_OF_KEY, _NAME_OF_PASSWORD, _NAME_OF_HEADERS))


_NAME_OF_HEADERS: Final = re.compile(r"(?i)(?:^|[._-])headers?$")
_IN_URL: Final = re.compile(r"(?<=://)[^\s/:@\"'<>]{0,256}:[^\s/@\"'<>]{1,256}@")
_ASSIGNED: Final = re.compile(
    r"(?i)(?P<name>(?:password|passwd|passphrase|pwd)\\?[\"']?\s{0,3}[:=]>?\s{0,3}\\?[\"']?)"
    r"(?P<secret>[^\s\"'\\,;&]+)"
)
_IBAN: Final = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b")
_IPV4: Final = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
_IPV6: Final = re.compile(r"(?<![\w:.])[0-9A-Fa-f:]{3,39}(?![\w:])")
_SSN: Final = re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])")


def _replacing(pattern: re.Pattern[str], marker: str, needs: tuple[str, ...] = ()) -> NamedMask:
    def mask(_path: str, text: str) -> str:
        if needs and not any(each in text for each in needs):
            return text
        return pattern.sub(marker, text)

    return mask


def _api_keys(path: str, text: str) -> str:
    if text and _NAME_OF_KEY.search(path):
        return "[api key]"
    shown = _API_KEY.sub("[api key]", text) if len(text) >= 12 else text
    if not _says(shown, "key", "token", "secret", "authorization", "bearer", "basic"):
        return shown
    return _AFTER_ITS_NAME.sub(r"\g<name>[api key]", shown)


def _passwords(path: str, text: str) -> str:
    if text and _NAME_OF_PASSWORD.search(path):
        return "[password]"
    shown = _IN_URL.sub("[password]@", text) if "://" in text else text
    if not _says(shown, "pass", "pwd"):
        return shown
    return _ASSIGNED.sub(r"\g<name>[password]", shown)


def _says(text: str, *words: str) -> bool:
    """Whether one of these words is in it: much faster than a pattern, and mostly none is."""
    lowered = text.lower()
    return any(word in lowered for word in words)


def _phones(_path: str, text: str) -> str:
    return _PHONE.sub("[phone]", text) if _SOME_DIGITS.search(text) is not None else text


def _credit_cards(_path: str, text: str) -> str:
    return _DIGITS.sub(_without_cards, text)


def _without_cards(found: re.Match[str]) -> str:
    """The digits without card numbers: those are 13 to 19 digits, in one group or some, of which
    the first is an issuer's and the last a check digit (Luhn, ISO/IEC 7812)."""
    text = found[0]
    groups = [(group.start(), group.end()) for group in _GROUP.finditer(text)]
    digits = [int(character) for character in text if character not in " -"]
    # Sums up to each digit, with every other one doubled: the even ones, and the odd ones.
    sums = [[0, *accumulate(_doubled(digits, parity))] for parity in (0, 1)]
    begins = [0, *accumulate(end - start for start, end in groups)]
    shown, done, first = "", 0, 0
    while first < len(groups):
        begin = begins[first]
        for last in range(min(first + 19, len(groups)), first, -1):
            end = begins[last]
            odd = sums[end % 2]
            is_card = 13 <= end - begin <= 19 and (odd[end] - odd[begin]) % 10 == 0
            if is_card and 2 <= digits[begin] <= 6:
                shown += text[done : groups[first][0]] + "[credit card]"
                done, first = groups[last - 1][1], last - 1
                break
        first += 1
    return shown + text[done:]


def _doubled(digits: list[int], parity: int) -> Iterator[int]:
    for place, digit in enumerate(digits):
        yield digit if place % 2 != parity else digit * 2 - 9 * (digit > 4)


def _ibans(_path: str, text: str) -> str:
    return _IBAN.sub(_without_iban, text)


def _without_iban(found: re.Match[str]) -> str:
    """The text without the longest account number that it begins with."""
    text = found[0]
    for length in range(len(text), 14, -1):
        if text[length - 1] != " " and _is_iban(text[:length]):
            return "[iban]" + text[length:]
    return text


def _is_iban(text: str) -> bool:
    """Whether its checksum is right (ISO 13616)."""
    plain = text.replace(" ", "")
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def _ip_addresses(_path: str, text: str) -> str:
    shown = _IPV4.sub(_without_address, text) if "." in text else text
    return _IPV6.sub(_without_address, shown) if ":" in shown else shown


def _without_address(found: re.Match[str]) -> str:
    try:
        ip_address(found[0])
    except ValueError:
        return found[0]
    return "[ip address]"


NAMED: Final[dict[str, NamedMask]] = {
    "private_keys": _replacing(_PRIVATE_KEY, "[private key]", ("PRIVATE KEY",)),
    "jwt": _replacing(_JWT, r"\g<before>[jwt]", ("eyJ",)),
    "api_keys": _api_keys,
    "passwords": _passwords,
    "emails": _replacing(_EMAIL, "[email]", ("@", "%40")),
    "credit_cards": _credit_cards,
    "ibans": _ibans,
    "us_ssn": _replacing(_SSN, "[ssn]", ("-",)),
    "phones": _phones,
    "ip_addresses": _ip_addresses,
}
"""The masks by their names; what is more specific comes first."""
