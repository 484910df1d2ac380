"""A handful of queries of different kinds, to see a router at work. Written for this project; no data set's rows."""

SAMPLE_QUERIES: tuple[tuple[str, str], ...] = (
    (
        "mathematics",
        "A bakery sells 36 loaves in the morning and half as many in the afternoon. Each loaf costs $3. "
        "How much does it take in that day?",
    ),
    (
        "code",
        'def longest_run(values: list[int]) -> int:\n    """Return the length of the longest run of equal values.\n'
        '    >>> longest_run([1, 1, 2, 2, 2])\n    3\n    """\n',
    ),
    (
        "Chinese",
        "下列关于光合作用的说法，正确的是哪一项？\nA. 只在夜间进行\nB. 需要光能\nC. 不产生氧气\nD. 只发生在根部",
    ),
    (
        "science",
        "Which of these is the best conductor of electricity?\nA. wood\nB. copper\nC. glass\nD. rubber",
    ),
    (
        "general knowledge",
        "Which treaty ended the Thirty Years' War?\nA. Utrecht\nB. Westphalia\nC. Versailles\nD. Tordesillas",
    ),
    ("algebra", "Solve for x: 3(x - 4) = 2x + 7. Give only the number."),
    ("conversation", "My neighbour practises the drums at midnight. How do I ask her to stop without starting a feud?"),
)
