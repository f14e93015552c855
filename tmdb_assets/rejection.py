"""Why a line of a URL list is left out: the failure, and what no line may hold anywhere.

What only parts of a URL may not hold is checked where they are taken apart, in `urls`.
"""

import re

MAX_LENGTH = 2_000
"""Characters of a URL, as given and in canonical form; longer ones fail at common proxies."""

_FORBIDDEN = (
    (
        re.compile(
            r"[\x00-\x08\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060\ufeff\ud800-\udfff]"
        ),
        "an invisible or control character inside",
        "type the line anew",
    ),
    (re.compile(r"\s"), "white space inside", "write one URL a line and a blank as %20"),
    (re.compile(r"\\"), "a backslash inside", "write / instead"),
    (
        re.compile(r"%(?![0-9A-Fa-f]{2})"),
        "a % without two hex digits after it",
        "write a percent sign as %25",
    ),
    (re.compile(r"%(?:[01][0-9A-Fa-f]|7[Ff])"), "an encoded control character", "remove it"),
)


class RejectedLineError(ValueError):
    """A line of a URL list that is no URL we may ask; the other lines go on.

    Attributes:
        reason: what is wrong, without text of the line's query.
        remedy: what to write instead.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason, remedy)
        self.reason = reason
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.reason}: {self.remedy}"


def check_text(text: str) -> None:
    """Make sure that a line, without white space around it, is short and plain enough.

    Raises:
        RejectedLineError: it is not.
    """
    check_length(text)
    for pattern, reason, remedy in _FORBIDDEN:
        if pattern.search(text):
            raise RejectedLineError(reason, remedy)


def check_length(text: str) -> None:
    """Make sure that a URL is not too long.

    Raises:
        RejectedLineError: it is.
    """
    if len(text) > MAX_LENGTH:
        raise RejectedLineError(
            f"longer than {MAX_LENGTH:,} characters", "ask for less in one request"
        )
