"""endpoints.yaml as `routerdc init` writes it: with comments for a person who changes it next."""

import json
from collections.abc import Mapping, Sequence

HEADER = """\
# Where each LLM is served. Check a changed file with: routerdc check {name}
# The gateway reads it again when it changes; a wrong file changes nothing and is named in the log.

# Answers when the router cannot decide; the first one that is allowed and healthy.
default: [{default}]

# The names of the LLMs are the router's own: use the names with which it was, or will be, trained.
llms:
"""
LLM = """\
  {name}:
    # price: 0.2                # US dollars per million tokens; cost_weight and max_price need it
    # context_tokens: 8192      # longer queries go to other LLMs
    endpoints:
"""
ENDPOINT = """\
      - address: {address}
        model: {model}
"""
KEY = """\
        api_key_env: {variable}  # the name of the variable; the key itself never stands in this file
"""
FOOTER = """\

# policy:
#   cost_weight: 0.02           # score points given up per US dollar per million tokens
#   min_margin: 0.05            # the default answers unless the best LLM is this much ahead
"""

Served = tuple[str, str | None]
"""An address, and the name of the variable that holds its key."""


def endpoints_text(llms: Mapping[str, Sequence[Served]], name: str = "endpoints.yaml") -> str:
    """The file's text.

    Args:
        llms: by model name, where it is served; the first LLM is the default.
        name: of the file, for its first comment.
    """
    parts = [HEADER.format(name=name, default=_quoted(next(iter(llms))))]
    for llm, places in llms.items():
        parts.append(LLM.format(name=_quoted(llm)))
        for address, variable in places:
            parts.append(ENDPOINT.format(address=_quoted(address), model=_quoted(llm)))
            if variable:
                parts.append(KEY.format(variable=variable))
    return "".join([*parts, FOOTER])


def _quoted(text: str) -> str:
    """Text as a YAML scalar: plain where every YAML parser reads it as this text, else as JSON, which is YAML too."""
    plain = text.replace("/", "").replace("-", "").replace("_", "").replace(".", "")
    is_word = plain.isalnum() and plain.isascii() and text[:1].isalpha() and text.lower() not in _WORDS
    return text if is_word else json.dumps(text)


_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
