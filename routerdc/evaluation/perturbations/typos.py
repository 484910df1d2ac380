"""Typing errors, seeded: letters swapped, dropped or doubled."""

import numpy as np

TYPO_RATE = 0.05


def with_typos(query: str, generator: np.random.Generator, rate: float = TYPO_RATE) -> str:
    """Each letter is, with probability `rate`, swapped with its right neighbour, dropped or doubled, all as likely."""
    hit = generator.random(len(query)) < rate
    kind = generator.integers(3, size=len(query))
    letters = list(query)
    for place in np.flatnonzero(hit):
        if not query[place].isalpha():
            continue
        if kind[place] == 0 and place + 1 < len(letters):
            letters[place], letters[place + 1] = letters[place + 1], letters[place]
        elif kind[place] == 1:
            letters[place] = ""
        else:
            letters[place] *= 2
    changed = "".join(letters)
    return changed if changed.strip() else query
