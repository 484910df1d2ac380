"""Takes a prompt's template away and shuffles its answer options: does a router read the question or its wrapping?

Templates are those of the paper's data sets: `Question:…Answer:` (ARC-C), `答案：` (CMMLU, C-Eval), options labelled
A to D (MMLU, CMMLU, C-Eval) and the docstring quotes around MBPP. A query without them stays as it is.
"""

import re

import numpy as np

_QUOTED = re.compile(r'\A"""\n(.*?)\n"""\s*\Z', re.DOTALL)
_LEAD = re.compile(r"\AQuestion:\s*")
_TAIL = re.compile(r"\s*(?:Answer:|答案：)\s*\Z")
_OPTIONS = re.compile(
    r"\A(?P<stem>.*?)\nA\.(?P<A>.*?)\nB\.(?P<B>.*?)\nC\.(?P<C>.*?)\nD\.(?P<D>.*?)(?P<tail>\s*答案：\s*)?\Z", re.DOTALL
)


def strip_template(query: str) -> str:
    """The query without its frame and its option labels; the options themselves stay, one a line."""
    bare = _TAIL.sub("", _LEAD.sub("", _QUOTED.sub(r"\1", query)))
    if options := _OPTIONS.match(bare):
        bare = "\n".join([options["stem"], *(options[label].strip() for label in "ABCD")])
    return bare if bare.strip() else query


def shuffle_options(query: str, generator: np.random.Generator) -> str:
    """The same options under other labels, in an order that differs from the given one."""
    if not (options := _OPTIONS.match(query)):
        return query
    order = generator.permutation(4)
    if (order == np.arange(4)).all():
        order = order[::-1]
    texts = [options["ABCD"[place]] for place in order]
    lines = "".join(f"\n{label}.{text}" for label, text in zip("ABCD", texts, strict=True))
    return f"{options['stem']}{lines}{options['tail'] or ''}"
