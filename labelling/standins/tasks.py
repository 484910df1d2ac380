"""Small tasks of six kinds whose right answer can be computed from the prompt, and texts of prompts.

A stand-in knows the right answer to these prompts and to no others.
"""

import datetime
import itertools
import random
import re
from collections.abc import Callable

_NOUNS = {"house": "Haus", "tree": "Baum", "river": "Fluss", "bridge": "Brücke", "book": "Buch", "window": "Fenster",
          "garden": "Garten", "letter": "Brief", "mountain": "Berg", "street": "Straße"}  # fmt: skip
_ADJECTIVES = {"old": "alt", "new": "neu", "small": "klein", "big": "groß", "quiet": "ruhig", "bright": "hell"}
_CAPITALS = {"France": "Paris", "Japan": "Tokyo", "Kenya": "Nairobi", "Peru": "Lima", "Norway": "Oslo",
             "Egypt": "Cairo", "Canada": "Ottawa", "Greece": "Athens", "Poland": "Warsaw", "Cuba": "Havana",
             "Chile": "Santiago", "Ghana": "Accra", "India": "New Delhi", "Iraq": "Baghdad"}  # fmt: skip
_OPENINGS = {
    "Calculate": "arithmetic",
    "What does this": "code",
    "On which day": "dates",
    "Translate": "translation",
    "Somebody asked": "capitals",
    "Spell the": "spelling",
}
_WORDS = ["stream", "router", "planet", "candle", "velvet", "orange", "pencil", "magnet", "copper", "silver", "marble"]
_AT = [
    "in a quiz",
    "for my homework",
    "on a map",
    "at school",
    "in an atlas",
    "for a crossword",
    "on a test",
    "in a game",
]


def _arithmetic(draw: random.Random) -> str:
    return f"Calculate {draw.randint(2, 99)} * {draw.randint(2, 99)} + {draw.randint(1, 999)}."


def _code(draw: random.Random) -> str:
    return f"What does this Python program print? print(sum(range({draw.randint(2, 99)})) - {draw.randint(1, 999)})"


def _dates(draw: random.Random) -> str:
    date = datetime.date(1900, 1, 1) + datetime.timedelta(days=draw.randint(0, 44_000))
    return f"On which day of the week was the date {date}?"


def _translation(draw: random.Random) -> str:
    nouns = draw.sample(sorted(_NOUNS), 2)
    return f"Translate into German, word by word: {draw.choice(sorted(_ADJECTIVES))} {nouns[0]}, {nouns[1]}"


def _capitals(draw: random.Random) -> str:
    country = draw.choice(sorted(_CAPITALS))
    return f"Somebody asked me {draw.choice(_AT)}, item {draw.randint(1, 99)}: what is the capital city of {country}?"


def _spelling(draw: random.Random) -> str:
    return f"Spell the letters of these words backwards: {' '.join(draw.sample(_WORDS, 3))}"


KINDS: dict[str, Callable[[random.Random], str]] = {
    "arithmetic": _arithmetic,
    "code": _code,
    "dates": _dates,
    "translation": _translation,
    "capitals": _capitals,
    "spelling": _spelling,
}


def prompts(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """`count` distinct (prompt, kind), the kinds in turn."""
    draw, found = random.Random(seed), dict[str, str]()  # noqa: S311
    turns = itertools.cycle(KINDS)
    while len(found) < count:
        kind = next(turns)  # a kind whose prompts are used up leaves its turns to the others
        found.setdefault(KINDS[kind](draw), kind)
    return list(found.items())


def kind_of(prompt: str) -> str | None:
    """The kind of a prompt; None for any other text."""
    return next((kind for opening, kind in _OPENINGS.items() if prompt.startswith(opening)), None)


def right_answer(prompt: str) -> str | None:
    """The right answer to a prompt of one of the kinds; None for any other text."""
    kind = kind_of(prompt)
    numbers = [int(number) for number in re.findall(r"\d+", prompt)]
    if kind == "arithmetic":
        return str(numbers[0] * numbers[1] + numbers[2])
    if kind == "code":
        return str(sum(range(numbers[0])) - numbers[1])
    if kind == "dates":
        return datetime.date(*numbers).strftime("%A")
    tail = prompt.rpartition(": ")[2]
    if kind == "translation":
        return " ".join((_NOUNS | _ADJECTIVES)[word] for word in tail.replace(",", "").split())
    if kind == "capitals":
        return _CAPITALS[prompt.rpartition(" of ")[2].rstrip("?")]
    return " ".join(word[::-1] for word in tail.split()) if kind == "spelling" else None
