"""The skills of the stand-ins: each stand-in's chance of a right answer by kind of task, and its prices."""

import hashlib

SKILLS: dict[str, dict[str, float]] = {
    "generalist": {"arithmetic": 0.6, "code": 0.6, "dates": 0.6, "translation": 0.6, "capitals": 0.7, "spelling": 0.6},
    "calculator": {"arithmetic": 0.95, "code": 0.6, "dates": 0.5, "translation": 0.2, "capitals": 0.3, "spelling": 0.3},
    "programmer": {"arithmetic": 0.6, "code": 0.95, "dates": 0.7, "translation": 0.2, "capitals": 0.3, "spelling": 0.7},
    "linguist": {"arithmetic": 0.2, "code": 0.1, "dates": 0.3, "translation": 0.95, "capitals": 0.8, "spelling": 0.9},
    "almanac": {"arithmetic": 0.3, "code": 0.2, "dates": 0.9, "translation": 0.4, "capitals": 0.95, "spelling": 0.3},
}
PRICES = {"generalist": 1.0, "calculator": 0.2, "programmer": 0.5, "linguist": 0.4, "almanac": 0.3}
JUDGE_ERROR = 0.1
"""How often the stand-in judge says the opposite of what is right."""


def chance(*what: str) -> float:
    """A number in [0, 1) that looks random and is the same every time."""
    return int.from_bytes(hashlib.sha256("\0".join(what).encode()).digest()[:7], "big") / (1 << 56)


def knows(llm: str, kind: str, prompt: str) -> bool:
    """Whether this stand-in answers this prompt right."""
    return chance(llm, prompt) < SKILLS[llm][kind]
