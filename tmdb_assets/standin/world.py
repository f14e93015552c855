"""What can differ between two made-up worlds, beside what is asked: a value, ready to be a key."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class World:
    """One state of the made-up data.

    Attributes:
        revision: another one gives other bodies for the same requests, as edits do.
        changes_per_day: about how many ids the lists of changes name for a day.
    """

    revision: int = 0
    changes_per_day: int = 250


WORLD = World()
"""As it is unless a setting says otherwise."""
