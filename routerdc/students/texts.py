"""Texts to distil on: queries of any training data, without those that a test set holds.

Grades are not looked at, so data of other pools serve as well as one's own. A text that a test set holds, whatever its
case and white space, is left out: a student must not know it better than any other.
"""

from collections.abc import Iterable, Sequence

from routerdc.training.preparation.templates import without_template


def unlabelled(queries: Iterable[str], held_out: Iterable[str]) -> list[str]:
    """Every query once, as it is and without its prompt template, but for those in `held_out`."""
    known = {_key(form) for query in held_out for form in _forms(query)}
    texts = dict.fromkeys(form for query in queries for form in _forms(query))
    return [text for text in texts if _key(text) not in known]


def _forms(query: str) -> Sequence[str]:
    return query, without_template(query)


def _key(text: str) -> int:
    return hash(" ".join(text.casefold().split()))
