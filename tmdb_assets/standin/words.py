"""Made-up names, titles and sentences; all are invented, and many hold letters beyond ASCII.

Text only: what objects look like is in `details` and `parts`.
"""

from tmdb_assets.standin.dice import Dice

ADJECTIVES = (
    "Borrowed", "Quiet", "Crooked", "Paper", "Second", "Unlit", "Patient", "Hollow", "Copper",
    "Sleepless", "Salted", "Folded", "Distant", "Velvet", "Half-Painted", "Drifting",
)  # fmt: skip
NOUNS = (
    "Lighthouse", "Orchard", "Ferry", "Clockmaker", "Café", "Piñata", "Archive", "Glacier",
    "Accordion", "Smörgåsbord", "Viaduct", "Weathervane", "Jalapeño", "Observatory", "Tramway",
)  # fmt: skip
PLACES = (
    "Brúnavík", "Žeravino", "Saint-Élou", "Østerhavn", "Krähenfeld", "Villa Ñandú", "Łąkowo",
    "Ōkitsura", "Новоозёрск", "海辺町", "Marrowgate", "Tûrnova",
)  # fmt: skip
GIVEN_NAMES = (
    "Ánna", "Björk", "Cédric", "Dūrga", "Élodie", "Fritjof", "Günay", "Håkon", "Inês", "Jiří",
    "Květa", "Łucja", "Mónica", "Nuño", "Öykü", "Pál", "Renée", "Søren", "Þóra", "Zoë",
)  # fmt: skip
FAMILY_NAMES = (
    "Placeholder", "Beispiel", "Ersatz", "Lückenbüßer", "Prøvesen", "Ejemplarez", "Doublure",
    "Příklad", "Esempietti", "Näyttelä", "Standinsson", "Mockingham", "Dummygård", "Vzorek",
)  # fmt: skip
ALIASES = ("Имя Выдуманное", "架空の人", "가상 인물", "اسم مستعار", "ชื่อสมมติ", "Όνομα Πλαστό")
JOBS = (
    ("Directing", "Director"), ("Writing", "Screenplay"), ("Production", "Producer"),
    ("Editing", "Editor"), ("Camera", "Director of Photography"), ("Sound", "Sound Designer"),
    ("Art", "Production Design"), ("Costume & Make-Up", "Costume Design"),
)  # fmt: skip
GENRES = (
    (28, "Action"), (12, "Adventure"), (16, "Animation"), (35, "Comedy"), (80, "Crime"),
    (99, "Documentary"), (18, "Drama"), (10751, "Family"), (14, "Fantasy"), (36, "History"),
    (27, "Horror"), (10402, "Music"), (9648, "Mystery"), (10749, "Romance"),
    (878, "Science Fiction"), (53, "Thriller"), (10752, "War"), (37, "Western"),
)  # fmt: skip
COUNTRIES = (
    ("CZ", "Czech Republic"), ("DE", "Germany"), ("FR", "France"), ("GB", "United Kingdom"),
    ("IS", "Iceland"), ("JP", "Japan"), ("MX", "Mexico"), ("SE", "Sweden"),
    ("US", "United States of America"),
)  # fmt: skip
LANGUAGES = (
    ("cs", "Czech", "Český"), ("de", "German", "Deutsch"), ("en", "English", "English"),
    ("es", "Spanish", "Español"), ("fr", "French", "Français"), ("ja", "Japanese", "日本語"),
    ("pt", "Portuguese", "Português"), ("ru", "Russian", "Русский"), ("sv", "Swedish", "svenska"),
)  # fmt: skip
_BEGINNINGS = (
    "A retired cartographer", "The last projectionist", "An anxious beekeeper",
    "A ferry pilot who never learned to swim", "A choir of night-shift bakers",
    "A forgotten cousin",
)  # fmt: skip
_MIDDLES = (
    "finds a map of a street that is not there", "wakes to see the town's clocks run backwards",
    "is asked to stand in for somebody who never existed", "inherits a cinema without a screen",
    "receives postcards written in their own hand", "must return a borrowed lighthouse",
)  # fmt: skip
_ENDS = (
    "before the first snow falls on {place}", "and {place} will not be the same again",
    "while everyone in {place} pretends not to notice", "with a dog called Señor Übermut",
    "and half of {place} wants to know why", "or so they say in the cafés of {place}",
)  # fmt: skip


def title(dice: Dice) -> str:
    """Return a title of a film or a series."""
    start = f"The {dice.pick(ADJECTIVES)} {dice.pick(NOUNS)}"
    return f"{start} of {dice.pick(PLACES)}" if dice.chance(60) else start


def name(dice: Dice) -> str:
    """Return a name of a person."""
    return f"{dice.pick(GIVEN_NAMES)} {dice.pick(FAMILY_NAMES)}"


def sentence(dice: Dice) -> str:
    """Return one sentence of a plot."""
    end = dice.pick(_ENDS).format(place=dice.pick(PLACES))
    return f"{dice.pick(_BEGINNINGS)} {dice.pick(_MIDDLES)}, {end}."


def story(dice: Dice, sentences: int) -> str:
    """Return a text that says where it comes from, and that many sentences."""
    parts = [sentence(dice) for _ in range(sentences)]
    return " ".join(["Made up by the stand-in:", *parts])
