"""A handful of queries to see a router at work. Written for this project; no data set's rows.

The first four are like those that `bundles/reasoning` learned from; it finds the others unfamiliar, and says so.
"""

SAMPLE_QUERIES: tuple[tuple[str, str], ...] = (
    ("arithmetic", "Calculate 12 - 5 * 9."),
    (
        "syllogism",
        "Consider these statements:\n1. No robins are fish\n2. All trout are fish\n\n"
        "Does it logically follow that:\nNo robins are trout?\n(Answer Yes or No)",
    ),
    (
        "geometry",
        "Find the orthocenter of triangle ABC whose vertices are A=(1, 2), B=(7, 3), and C=(4, 9). For all geometry "
        "problems:\n1. Give coordinates in the form (x, y)\n2. Round decimal answers to 3 decimal places\n3. Use the "
        "degree symbol for angles\n4. Return only the angle, coordinates, or radius as your answer.",
    ),
    ("spelling", "Spell this word backward (example: sun -> nus): lantern"),
    (
        "code",
        'def longest_run(values: list[int]) -> int:\n    """Return the length of the longest run of equal values.\n'
        '    >>> longest_run([1, 1, 2, 2, 2])\n    3\n    """\n',
    ),
    (
        "Chinese",
        "下列关于光合作用的说法，正确的是哪一项？\nA. 只在夜间进行\nB. 需要光能\nC. 不产生氧气\nD. 只发生在根部",
    ),
    ("conversation", "My neighbour practises the drums at midnight. How do I ask her to stop without starting a feud?"),
)
