"""The decision protocols, with what their real clients send."""

import math
from typing import Any

import openai
import pytest

from gateway.errors import ScorerUnavailableError
from tests.support.fakes.scorer import FakeScorer
from tests.support.gateways.running import endpoints_file
from tests.unit.gateway.http_api.conftest import CALIBRATED, Serve

# As LiteLLM 1.110's Auto Router sends it (`classifier_type: oss_classifier`).
LITELLM = {
    "state": "\nCaller system prompt, quoted as task context:\nBe nice.\n\nClassify this message:\nWhat is 2 + 2?",
    "model": "jev-latest",
    "questions": {
        "tier": {
            "type": "choice",
            "instructions": "Choose the least capable model tier that can handle the request well.",
            "criteria": {"SIMPLE": "lookups, small talk", "COMPLEX": "multi-step work"},
        }
    },
}


def choice(*names: str) -> dict[str, Any]:
    return {"state": "q", "questions": {"which": {"type": "choice", "criteria": dict.fromkeys(names)}}}


def noul(text: str, **more: Any) -> dict[str, Any]:
    return {"state": "q", "questions": {"ok": {"type": "noul", "instructions": text} | more}}


@pytest.mark.parametrize("path", ["/v1/systemone", "/v1/decisions"])
async def test_an_unfamiliar_query_is_answered_by_its_scores(serve: Serve, path: str) -> None:
    http = await serve(FakeScorer(familiarity={"q": 0.0}))
    options = [{"value": "alpha"}, {"value": "beta"}]
    body = choice("alpha", "beta") | {"input": "q"}
    if path == "/v1/decisions":
        body["questions"] = [{"type": "choice", "choices": options}]
    assert (await http.post(path, body))[0] == 200


async def test_tiers_of_litellms_router_are_virtual_models(serve: Serve) -> None:
    http = await serve()
    status, body = await http.post("/v1/systemone", LITELLM)
    tier = body["answers"]["tier"]
    assert (status, body["model"], body["usage"]["output_tokens"]) == (200, "jev-latest", 0)
    assert (tier["type"], tier["choice"]) == ("choice", "COMPLEX")
    assert http.running.scorer.batches == [["What is 2 + 2?"]]
    assert sum(tier["probabilities"].values()) == pytest.approx(1)
    # The odds of beta (0.9) against alpha (0.5), the better one of SIMPLE, with the calibration's slope of 4.
    assert tier["probabilities"]["COMPLEX"] == pytest.approx(1 / (1 + math.exp(-4 * 0.4)))
    assert 0 < tier["confidence"] < 1


async def test_the_likeliest_option_is_the_one_that_route_chooses(serve: Serve) -> None:
    http = await serve(policy={"cost_weight": 0.1})
    answer = (await http.post("/v1/systemone", choice("alpha", "beta", "gamma")))[1]["answers"]["which"]
    assert answer["choice"] == (await http.post("/v1/route", {"query": "q"}))[1]["llm"] == "alpha"
    assert answer["choice"] == max(answer["probabilities"], key=answer["probabilities"].get)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Will beta answer this well?", 0.9734),
        ("can `gamma` answer the question correctly", 0.5987),
        ("Will SIMPLE answer this well?", 0.8808),
    ],
)
async def test_whether_an_llm_answers_well_is_the_calibrated_probability(
    serve: Serve, text: str, expected: float
) -> None:
    http = await serve()
    for body in (noul(text), noul(text, criteria={"true": "yes", "false": "no"})):  # as semantic-router sends it
        answer = (await http.post("/v1/systemone", body))[1]["answers"]["ok"]
        assert answer == {"type": "noul", "noul": pytest.approx(expected, abs=1e-4)}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (choice("alpha", "gpt-9"), "questions.which.criteria.gpt-9"),
        (choice(), "questions.which.criteria"),
        (noul("Is this a refund request?"), "questions.ok.instructions"),
        (noul("Will omega answer this well?"), "questions.ok.instructions"),
        (noul("Will beta answer this well?", criteria={"true": "no", "false": "yes"}), "questions.ok.criteria"),
        ({"state": "q", "questions": {"ok": {"type": "noul"}}}, "questions.ok.instructions"),
        ({"state": "q", "questions": {"s": {"type": "score", "criteria": ["low", "high"]}}}, "questions.s.type"),
        ({"state": "q", "questions": {}}, "questions"),
        ({"questions": {"a": {"type": "noul"}}}, "state"),
        (b"no JSON", "body"),
    ],
)
async def test_any_other_question_is_refused_by_name_never_guessed(serve: Serve, body: Any, param: str) -> None:
    http = await serve()
    status, error = await http.post("/v1/systemone", body)
    assert (status, error["error"]["param"]) == (422, param)
    assert http.running.scorer.batches == []


async def test_without_scores_there_is_no_answer_so_that_the_host_goes_on_by_its_own_rules(serve: Serve) -> None:
    http = await serve(FakeScorer(bundle=CALIBRATED, faults={"q": ScorerUnavailableError("down")}))
    assert (await http.post("/v1/systemone", choice("alpha", "beta")))[0] == 503


async def test_a_chat_as_state_is_routed_by_its_conversation(serve: Serve) -> None:
    scorer = FakeScorer(bundle=CALIBRATED, values={"write code": (0.9, 0.1, 0.0)})
    chat = [{"role": "system", "content": "x"}, {"role": "user", "content": [{"type": "text", "text": "write code"}]}]
    _, body = await (await serve(scorer)).post("/v1/systemone", choice("alpha", "beta") | {"state": chat})
    assert body["answers"]["which"]["choice"] == "alpha"


async def test_openais_own_client_is_answered(serve: Serve) -> None:
    http = await serve()
    options = [{"value": "SIMPLE"}, {"value": "COMPLEX", "description": "hard"}]
    questions: list[Any] = [
        {"type": "choice", "name": "tier", "instructions": "Which?", "choices": options},
        {"type": "predicate", "instructions": "Will beta answer this well?"},
    ]
    async with openai.AsyncOpenAI(base_url=f"{http.base}/v1", api_key="none", max_retries=0) as client:
        answer = await client.decisions.create(model="routerdc", input="q", questions=questions)
        message: list[Any] = [{"role": "user", "content": [{"type": "input_text", "text": "q"}]}]
        by_chat = await client.decisions.create(model="routerdc", input=message, questions=questions)
        with pytest.raises(openai.UnprocessableEntityError, match=r"questions\.0\.type"):
            await client.decisions.create(
                model="m", input="q", questions=[{"type": "score", "instructions": "?", "levels": [{"label": "a"}]}]
            )
    tier, well = answer.answers
    assert tier.type == "choice"
    assert (tier.choice, tier.name, [one.value for one in tier.probabilities]) == (
        "COMPLEX",
        "tier",
        ["SIMPLE", "COMPLEX"],
    )
    assert well.type == "predicate"
    assert well.probability == pytest.approx(0.9734, abs=1e-4)
    assert by_chat.answers == answer.answers


async def test_a_conversation_whose_llm_would_be_kept_is_answered_by_its_scores(serve: Serve) -> None:
    old, new = "a question about alpha, long enough to count fully", "a question about beta, long enough to count fully"
    scorer = FakeScorer(values={old: (1.0, 0.0, 0.0), new: (0.0, 1.0, 0.0)})
    http = await serve(scorer, policy={"sticky_margin": 9})
    state = [
        {"role": "user", "content": old},
        {"role": "assistant", "content": "yes"},
        {"role": "user", "content": new},
    ]
    assert (await http.post("/v1/route", {"chat": {"messages": state}}))[1]["llm"] == "alpha"
    status, body = await http.post("/v1/systemone", choice("alpha", "beta") | {"state": state})
    assert (status, body["answers"]["which"]["choice"]) == (200, "beta")


async def test_an_llm_that_cannot_read_the_chat_is_no_answer(serve: Serve) -> None:
    llms = endpoints_file().model_dump(mode="json")["llms"]
    http = await serve(llms=llms | {"beta": llms["beta"] | {"capabilities": ["tools"]}})
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": "what is it?"},
        {"type": "image_url", "image_url": {"url": "data:,"}},
    ]
    state = {"messages": [{"role": "user", "content": parts}]}
    questions = {"llm": {"type": "choice", "criteria": dict.fromkeys(("alpha", "beta", "gamma"), "")}}
    status, body = await http.post("/v1/systemone", {"state": state, "questions": questions})
    answer = body["answers"]["llm"]
    assert (status, answer["choice"], answer["probabilities"]["beta"]) == (200, "alpha", 0.0)
    chat = {"messages": [{"role": "user", "parts": [{"type": part["type"]} | {"text": "hi"} for part in parts]}]}
    assert (await http.post("/v1/route", {"chat": chat}))[1]["llm"] == "alpha"
    status, body = await http.post("/v1/route", {"chat": chat, "allowed_llms": ["beta"]})
    assert (status, body["error"]["param"]) == (400, "chat.messages[0].parts[1]")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/route", b'{"query": "q", "query": "r"}'),
        ("/v1/systemone", b'{"state": "q", "st\\u0061te": "r", "questions": {"ok": {"type": "noul"}}}'),
        ("/v1/systemone", b'{"state": {"a": 1, "a": 2}, "questions": {"ok": {"type": "noul"}}}'),
        ("/v1/decisions", b'{"input": "q", "questions": [{"type": "choice", "type": "predicate"}]}'),
    ],
)
async def test_a_name_that_stands_twice_is_refused_at_every_door(serve: Serve, path: str, body: bytes) -> None:
    status, answer = await (await serve()).post(path, body)
    assert (status, answer["error"]["type"]) == (400, "invalid_request_error")
    assert "twice" in answer["error"]["message"] or "duplicate" in answer["error"]["message"]
