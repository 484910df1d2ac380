"""A task for `inspect eval`: three questions of questions.jsonl."""

from inspect_ai import Task, task
from inspect_ai.dataset import FieldSpec, json_dataset
from inspect_ai.scorer import includes
from inspect_ai.solver import generate


@task
def standin() -> Task:
    """Answers that hold the target are right."""
    return Task(
        json_dataset("questions.jsonl", FieldSpec(input="question", target="answer")),
        solver=generate(),
        scorer=includes(),
    )
