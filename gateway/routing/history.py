"""Scores of a conversation, and which LLM it has had: recomputed from the request itself, by any replica.

Each user text is scored and cached by itself, so that a new turn costs one row; all rows leave in one batch.
The scores of a conversation are blended from them (`gateway.policy.blending`). Blending the texts up to an earlier turn
gives what was decided then: so the policy is replayed turn by turn, and the last LLM is the session's. No replica needs
another one's memory.
"""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from gateway.domain.conversation import Conversation, Turn
from gateway.domain.query import Priority, RouteQuery
from gateway.domain.scorer import Bundle, Scored, Scorer, Scores
from gateway.policy.blending import blended, mean, shares
from gateway.policy.eligibility import estimated_tokens

_LONG_BYTES_PER_TOKEN = 16  # a text with more of them for each token that the model reads is read at both ends
_TAIL_BYTES_PER_TOKEN = 3  # few enough that the model nearly always reads to the very end
_LONGEST_BYTES = 64 * 1024  # where the model does not say how much it reads


class Past(NamedTuple):
    """What was known at an earlier turn: the conversation's scores, and the tokens that were in the chat."""

    values: tuple[float, ...]
    chat_tokens: int


class ScoredConversation(NamedTuple):
    """The scores of a query, and of its earlier turns, oldest first."""

    scored: Scored
    past: tuple[Past, ...] = ()
    chat_tokens: int = 0


async def score(conversation: Conversation, scorer: Scorer, deadline: float, priority: Priority) -> ScoredConversation:
    """Scores every text of `conversation`, all at once.

    Raises:
        InvalidRequestError, ScorerError: see `Scorer.score`.
    """
    turns, max_tokens = conversation.turns, scorer.bundle.max_tokens
    rows = [both_ends(turn.text, max_tokens) for turn in turns]
    if len(rows) == 1 and len(rows[0]) == 1:
        return ScoredConversation(await scorer.score(rows[0][0], deadline, priority))
    texts = dict.fromkeys(text for row in rows for text in row)
    scored = dict(zip(texts, await asyncio.gather(*(scorer.score(t, deadline, priority) for t in texts)), strict=True))
    return _combined(turns, [[scored[text] for text in row] for row in rows])


def decisive_text(query: RouteQuery, max_tokens: int) -> str:
    """The text that counts most in the scores of `query`; of a long one the beginning."""
    if query.conversation is None or not query.conversation.turns:
        return query.text
    turns = query.conversation.turns
    parts = shares([turn.weight for turn in turns])
    return both_ends(turns[max(range(len(turns)), key=parts.__getitem__)].text, max_tokens)[0]


def both_ends(text: str, max_tokens: int) -> tuple[str, ...]:
    """What is scored of `text`: all of it, or its beginning and its end.

    The model reads `max_tokens` (0: unknown) from the beginning, so the end of a long text is a row of its own; more
    bytes than can count are not sent.
    """
    limit = max_tokens * _LONG_BYTES_PER_TOKEN or _LONGEST_BYTES
    if len(text) * 4 <= limit or len(data := text.encode()) <= limit:
        return (text,)
    tail = max_tokens * _TAIL_BYTES_PER_TOKEN or _LONGEST_BYTES // 2
    ends = data[:limit].decode(errors="ignore"), data[-tail:].decode(errors="ignore")
    return tuple(end for end in ends if end and not end.isspace()) or (text,)


def _combined(turns: Sequence[Turn], rows: Sequence[Sequence[Scored]]) -> ScoredConversation:
    newest = rows[-1][0].scores
    of_bundle = [_of_bundle(newest.bundle, row) for row in rows]
    known = [(turn, row) for turn, row in zip(turns, of_bundle, strict=True) if row]
    values = [mean([scored.scores.values for scored in row]) for _, row in known]
    weights = [turn.weight for turn, _ in known]
    upto = [blended(values[: i + 1], weights[: i + 1]) for i in range(len(known))]
    past = tuple(Past(value, estimated_tokens(turn.chat_bytes)) for value, (turn, _) in zip(upto, known, strict=True))
    tokens = sum(scored.scores.token_count for scored in rows[-1])
    truncated = any(scored.scores.truncated for scored in rows[-1]) or len(rows[-1]) > 1
    every = [scored for row in rows for scored in row]
    combined = Scored(
        Scores(newest.bundle, upto[-1], tokens, truncated, _familiarity([row for _, row in known], weights)),
        cached=all(scored.cached for scored in every),
        queue_ns=max(scored.queue_ns for scored in every),
        score_ns=max(scored.score_ns for scored in every),
    )
    return ScoredConversation(combined, past[:-1], past[-1].chat_tokens)


def _familiarity(rows: Sequence[Sequence[Scored]], weights: Sequence[float]) -> float | None:
    """Of the blended scores: it blends as they do; None where the bundle does not know it of a row."""
    values = [[(scored.scores.familiarity,) for scored in row] for row in rows]
    known = [[(one,) for (one,) in row if one is not None] for row in values]
    if values != known:
        return None
    return blended([mean(row) for row in known], weights)[0]


def _of_bundle(bundle: Bundle, row: Sequence[Scored]) -> list[Scored]:
    """While bundles change, earlier turns and the other end of a long text may come from another one.

    Its scores are not comparable.
    """
    return [scored for scored in row if scored.scores.bundle.bundle_id == bundle.bundle_id]
