"""Made-up companies, networks, keywords and collections, and which ids exist at all.

The large kinds are in `details`.
"""

from tmdb_assets.standin import words
from tmdb_assets.standin.dice import Dice

JsonObject = dict[str, object]

ABSENT_EVERY = 37
"""Ids that this divides do not exist, so that every list of ids has some absent ones."""


def exists(number: int) -> bool:
    """Return whether the stand-in knows the id, of whatever kind."""
    return number % ABSENT_EVERY != 0


def present_id(dice: Dice, bound: int = 30_000) -> int:
    """Return the id of an object that exists."""
    number = 1 + dice.below(bound)
    return number if exists(number) else number + 1


def company_item(number: int) -> JsonObject:
    """Return a company as it stands in details of a film."""
    dice = Dice("company", number)
    return {
        "id": number,
        "logo_path": dice.picture() if dice.chance(60) else None,
        "name": f"{dice.pick(words.PLACES)} {dice.pick(words.NOUNS)} Pictures",
        "origin_country": dice.pick(words.COUNTRIES)[0],
    }


def company(number: int, language: str = "") -> JsonObject:
    """Return a company's details; they are the same in every language."""
    del language
    dice = Dice("company details", number)
    return {
        **company_item(number),
        "description": words.story(dice, 2) if dice.chance(50) else "",
        "headquarters": dice.pick(words.PLACES),
        "homepage": f"https://stand-in.example/company/{number}",
        "parent_company": None,
    }


def network_item(number: int) -> JsonObject:
    """Return a network as it stands in details of a series."""
    dice = Dice("network", number)
    return {
        "id": number,
        "logo_path": dice.picture(),
        "name": f"Télé {dice.pick(words.NOUNS)}",
        "origin_country": dice.pick(words.COUNTRIES)[0],
    }


def network(number: int, language: str = "") -> JsonObject:
    """Return a network's details; they are the same in every language."""
    del language
    dice = Dice("network details", number)
    return {
        **network_item(number),
        "headquarters": dice.pick(words.PLACES),
        "homepage": f"https://stand-in.example/network/{number}",
    }


def keyword(number: int, language: str = "") -> JsonObject:
    """Return a keyword; it is the same in every language."""
    del language
    dice = Dice("keyword", number)
    return {"id": number, "name": f"{dice.pick(words.ADJECTIVES)} {dice.pick(words.NOUNS)}".lower()}


def collection_item(number: int) -> JsonObject:
    """Return a collection as it stands in details of a film."""
    dice = Dice("collection", number)
    return {
        "backdrop_path": dice.picture(),
        "id": number,
        "name": f"{words.title(dice)} Collection",
        "poster_path": dice.picture(),
    }
