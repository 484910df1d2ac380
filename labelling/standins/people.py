"""Stands in for the people who grade a gold sample: `python -m labelling.standins.people gold.csv`.

It writes 1 or 0 into the column `score`, by working the answer out. Only answers to the stand-ins' own prompts can be
graded so; for real prompts people do it.
"""

import csv
import sys
from pathlib import Path

from labelling.standins.tasks import right_answer


def main(path: Path) -> None:
    """Fills the scores of the file in."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        right = right_answer(row["conversation"].removeprefix("user: "))
        row["score"] = str(int(right is not None and row["answer"].endswith(f" {right}.")))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
