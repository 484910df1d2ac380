"""An OpenAI-compatible server of stand-ins: `/NAME/v1` for each LLM, with its one model, and `/judge/v1` for the judge.

What it does to calls can be changed while it runs, as an endpoint's faults come and go: see `Faults`.
"""

import asyncio
import json
import re
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from labelling.prompts.prompt import text_of
from labelling.standins.skills import JUDGE_ERROR, SKILLS, chance, knows
from labelling.standins.tasks import kind_of, right_answer

KEPT_BODIES = 100


@dataclass
class Faults:
    """`delay_seconds` before every answer; `statuses`: answered instead, one call each, in order, with `headers`."""

    delay_seconds: float = 0.0
    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    finish_reason: str = "stop"


class StandIns:
    """The server; `answered` counts whole answers by LLM and prompt, `calls` every call by LLM."""

    def __init__(self, judge_error: float = JUDGE_ERROR) -> None:
        """`judge_error`: how often the judge says the opposite of what is right."""
        self.faults = Faults()
        self.answered: Counter[tuple[str, str]] = Counter()
        self.calls: Counter[str] = Counter()
        self.keys: list[str] = []
        self.bodies: deque[dict[str, Any]] = deque(maxlen=KEPT_BODIES)
        self._judge_error = judge_error

    def application(self) -> web.Application:
        """Its routes."""
        application = web.Application(client_max_size=1 << 24)
        application.router.add_get("/{llm}/v1/models", _models)
        application.router.add_post("/{llm}/v1/chat/completions", self._complete)
        return application

    async def _complete(self, request: web.Request) -> web.Response:
        llm, body = request.match_info["llm"], json.loads(await request.read())
        self.calls[llm] += 1
        self.bodies.append(body)
        self.keys = [*self.keys, request.headers.get("Authorization", "")][-KEPT_BODIES:]
        if self.faults.statuses:
            status = self.faults.statuses.pop(0)
            return web.json_response({"error": {"message": "told to fail"}}, status=status, headers=self.faults.headers)
        if self.faults.delay_seconds:
            await asyncio.sleep(self.faults.delay_seconds)
        prompt = text_of(body["messages"][-1]["content"])
        if (answer := self._judged(prompt) if llm == "judge" else _answer(llm, prompt)) is None:
            return web.json_response({"error": {"message": f"no stand-in {llm}"}}, status=404)
        self.answered[llm, prompt] += 1
        return web.json_response(_completion(llm, prompt, answer, self.faults.finish_reason))

    def _judged(self, prompt: str) -> str:
        """A verdict on what stands in the judge's prompt: it finds the task and the answer by their marks."""
        parts = dict(re.findall(r"<(question|answer|answer_a|answer_b)>\n(.*?)\n</\1>", prompt, flags=re.DOTALL))
        right, question = right_answer(parts["question"]), parts["question"]
        if "answer" in parts:
            good = _holds(parts["answer"], right) != (chance("judge", question, parts["answer"]) < self._judge_error)
            return json.dumps({"reason": "It can be computed.", "grade": 5 if good else 1})
        marks = [_holds(parts[name], right) for name in ("answer_a", "answer_b")]
        winner = "tie" if marks[0] == marks[1] else "A" if marks[0] else "B"
        if winner != "tie" and chance("judge", question, *parts.values()) < self._judge_error:
            winner = "B" if winner == "A" else "A"
        return json.dumps({"reason": "It can be computed.", "winner": winner})


async def _models(request: web.Request) -> web.Response:
    name = request.match_info["llm"]
    known = [{"id": name, "object": "model"}] if name in (*SKILLS, "judge") else []
    return web.json_response({"object": "list", "data": known})


def _holds(answer: str, right: str | None) -> bool:
    return right is not None and answer.strip().endswith(f"{right}.")


def _answer(llm: str, prompt: str) -> str | None:
    if llm not in SKILLS:
        return None
    if (kind := kind_of(prompt)) is None:
        return "I only know a few kinds of tasks."
    right = right_answer(prompt)
    return f"The answer is {right if knows(llm, kind, prompt) else 'not known to me'}."


def _completion(llm: str, prompt: str, answer: str, finish_reason: str) -> dict[str, Any]:
    tokens = len(prompt) // 4 + 8, len(answer) // 4 + 1
    message = {"role": "assistant", "content": answer}
    return {
        "id": "stand-in",
        "object": "chat.completion",
        "created": 0,
        "model": llm,
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)},
    }
