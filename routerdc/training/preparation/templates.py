"""Takes the frame off a prompt, so that a router learns the question and not its wrapping.

Frames are what benchmarks and applications put around a question: a leading label (`Question:`), a trailing one
(`Answer:`, `答案：`), letters in front of options, quotes around a whole text. Works on any prompt: what is not there
is not taken away.
"""

import re

_QUOTES = re.compile(r'\A\s*("""|\'\'\'|```)\w*\s*\n?(?P<inner>.*?)\n?\s*\1\s*\Z', re.DOTALL)
_LEADING_LABEL = re.compile(r"\A\s*(?:question|query|problem|task|input|q|问题|题目|问)\s*[:：]\s*", re.IGNORECASE)
_TRAILING_LABEL = re.compile(r"\s*(?:answer|solution|response|output|a|答案|答)\s*[:：]\s*\Z", re.IGNORECASE)
_OPTION_LABEL = re.compile(r"^[ \t]*[(（]?[A-J][.．、:：)）][ \t]*", re.MULTILINE)


def without_template(query: str) -> str:
    """The query without its frame; the query itself where nothing would be left."""
    bare = _QUOTES.sub(lambda match: match["inner"], query)
    bare = _TRAILING_LABEL.sub("", _LEADING_LABEL.sub("", bare))
    if len(_OPTION_LABEL.findall(bare)) > 1:  # one alone is more likely an initial than an option
        bare = _OPTION_LABEL.sub("", bare)
    return bare if bare.strip() else query
