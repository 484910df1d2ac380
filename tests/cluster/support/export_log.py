"""What the init container says of the engine that it made."""

import re


def agreement(told: str) -> tuple[int, float]:
    """The queries that `routerdc export` compared in its last step, and the share of equal choices, in per cent."""
    queries, same = re.findall(r"^repository +\w+ +(\d+) +(\d+\.\d+)%", told, re.MULTILINE)[-1]
    return int(queries), float(same)
