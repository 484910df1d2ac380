"""What both kinds of LLM judges share: the judge's file, how it is asked, and what makes a verdict unreadable."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from labelling.asking.asker import Asker, FatalError, Manner
from labelling.asking.budget import Budget, Reservation
from labelling.asking.costs import most_dollars
from labelling.errors import GradingError
from labelling.pool.endpoints import Llm
from labelling.prompts.prompt import Message, Prompt, canonical, text_of
from labelling.store.store import Store
from routerdc_contract.yaml_model import YamlError, load_yaml_model

MOST_VERDICT_TOKENS = 1024
DEFAULT_RUBRIC = "An answer is good if it is correct, does what was asked, and leaves nothing important out."


class JudgeFile(Llm):
    """judge.yaml: an LLM as in endpoints.yaml (`price`, `endpoints`), and the rubric it judges by."""

    rubric: str = Field(default=DEFAULT_RUBRIC, min_length=1)


def read_judge(path: Path) -> JudgeFile:
    """The judge's file.

    Raises:
        GradingError: it cannot be read; the message names file and field.
    """
    try:
        return load_yaml_model(JudgeFile, path)
    except YamlError as error:
        raise GradingError(str(error)) from None


class Judge:
    """An LLM that is asked for verdicts in JSON, within a budget."""

    def __init__(self, file: JudgeFile, store: Store, max_usd: float | None, manner: Manner) -> None:
        """Opens the judge. `max_usd`: of everything the store has ever cost, answers and verdicts.

        Raises:
            GradingError: a budget is set and the judge has no price.
        """
        if max_usd is not None and file.prices is None:
            raise GradingError(
                "--max-usd: the judge has no price: set price (or input_price and output_price), 0 for free"
            )
        self.rubric = file.rubric
        self._llm, self._store = file, store
        self._asker = Asker(file, manner)
        self.model = self._asker.model
        self._budget = Budget(max_usd, store.spent_usd())

    async def close(self) -> None:
        """Closes the connections."""
        await self._asker.close()

    async def verdict(self, messages: list[Message], schema: Mapping[str, Any]) -> Mapping[str, Any] | str:
        """The verdict, an object of `schema`; or the reason why there is none.

        Raises:
            GradingError: the judge cannot be asked at all, or the budget is used up.
        """
        reservation = Reservation(self._budget, most_dollars(self._llm, messages, MOST_VERDICT_TOKENS))
        if not await reservation.first():
            raise GradingError("--max-usd: the budget is used up; the grades so far are kept")
        self._store.book(self.model, reservation.most)
        form = {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": schema}}
        settings = {"max_tokens": MOST_VERDICT_TOKENS, "response_format": form}
        try:
            answer = await self._asker.ask(messages, settings, _key(messages), reservation)
        except FatalError as error:
            await self._settle(reservation, 0.0)
            raise GradingError(f"the judge {self.model} cannot be asked: {error}") from None
        await self._settle(reservation, answer.cost_usd or 0.0)
        return f"the judge gave no verdict: {answer.missing}" if answer.missing else _read(answer.text or "", schema)

    async def _settle(self, reservation: Reservation, cost: float) -> None:
        await reservation.settle(cost)
        self._store.book(self.model, cost - reservation.most)


def conversation(prompt: Prompt) -> str:
    """The chat as the judge reads it: the turns before the question, then the question, then the reference."""
    turns = [f"{message['role']}: {text_of(message.get('content'))}" for message in prompt.messages[:-1]]
    parts = [tagged("conversation", "\n".join(turns))] if turns else []
    parts.append(tagged("question", text_of(prompt.messages[-1].get("content"))))
    if prompt.reference is not None:
        reference = prompt.reference if isinstance(prompt.reference, str) else canonical(prompt.reference)
        parts.append(tagged("reference_answer", reference))
    return "\n".join(parts)


def tagged(tag: str, text: str) -> str:
    """Text between tags that it cannot close: an answer must not speak with the judge's own voice."""
    return f"<{tag}>\n{text.replace('</', '< /')}\n</{tag}>"


def _key(messages: list[Message]) -> str:
    return hashlib.sha256(canonical(messages).encode()).hexdigest()


def _read(text: str, schema: Mapping[str, Any]) -> Mapping[str, Any] | str:
    """The JSON object in a verdict, if its fields are as asked for."""
    start, end = text.find("{"), text.rfind("}")
    try:
        verdict = json.loads(text[start : end + 1])
    except (ValueError, RecursionError):
        return "the judge's verdict is not JSON"
    for name, wanted in schema["properties"].items():
        if "enum" in wanted and (not isinstance(verdict, dict) or verdict.get(name) not in wanted["enum"]):
            return f"the judge's verdict has no usable {name}"
    return verdict if isinstance(verdict, dict) else "the judge's verdict is not an object"
