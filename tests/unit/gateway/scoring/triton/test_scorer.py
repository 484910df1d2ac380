import asyncio
from contextlib import AsyncExitStack

import grpc
import pytest

from gateway import errors
from gateway.domain.scorer import Bundle
from gateway.scoring.triton.scorer import TritonScorer
from tests.support.fakes.scorer import BUNDLE
from tests.support.fakes.triton import fake_triton
from tests.support.waiting import until

NEW = Bundle("feedfeedfeedfeed", ("gamma", "alpha", "beta"))


async def test_a_batch_is_one_request_and_comes_back_row_by_row() -> None:
    async with fake_triton() as triton, TritonScorer(triton.address, timeout_seconds=5) as scorer:
        assert await scorer.probe() == BUNDLE
        scores = await scorer.score_batch(["one", "zwei", "三"])
    assert len(triton.requests) == 1
    assert triton.requests[0].raw_input_contents[0] == b"\3\0\0\0one\4\0\0\0zwei\3\0\0\0\xe4\xb8\x89"
    assert [(s.bundle, s.values, s.token_count, s.truncated) for s in scores] == [
        (BUNDLE, (0.0, 1.0, 0.0), 7, True)
    ] * 3


async def test_a_batch_answered_for_other_queries_is_a_failure() -> None:
    async with fake_triton() as triton, TritonScorer(triton.address, timeout_seconds=5) as scorer:
        await scorer.probe()
        assert len(await scorer.score_batch(["q", "r"])) == 2
        triton.mistaken_for = "q"
        with pytest.raises(errors.ScorerFailedError, match="belongs to another query"):
            await scorer.score_batch(["q", "r"])


async def test_an_answer_without_the_checksum_that_was_asked_for_is_anothers() -> None:
    async with fake_triton() as triton, TritonScorer(triton.address, timeout_seconds=5) as scorer:
        await scorer.probe()
        triton.asked_by_another = True
        with pytest.raises(errors.ScorerFailedError, match="outputs are missing: query_crc32"):
            await scorer.score_batch(["q"])


async def test_the_models_own_batch_limit_is_learned() -> None:
    async with fake_triton() as triton, TritonScorer(triton.address, timeout_seconds=5) as scorer:
        await scorer.probe()
        assert scorer.max_batch == 4


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (grpc.StatusCode.UNAVAILABLE, errors.ScorerUnavailableError),
        (grpc.StatusCode.NOT_FOUND, errors.ScorerUnavailableError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, errors.ScorerOverloadedError),
        (grpc.StatusCode.DEADLINE_EXCEEDED, errors.ScorerTimeoutError),
        (grpc.StatusCode.INTERNAL, errors.ScorerFailedError),
        (grpc.StatusCode.UNKNOWN, errors.ScorerFailedError),
        (grpc.StatusCode.INVALID_ARGUMENT, errors.InvalidRequestError),
    ],
)
async def test_statuses_of_triton_become_our_errors(code: grpc.StatusCode, error: type[Exception]) -> None:
    async with fake_triton(fault=code) as triton, TritonScorer(triton.address, timeout_seconds=5) as scorer:
        with pytest.raises(error, match="out of order"):
            await scorer.score_batch(["q"])


async def test_what_triton_refuses_in_words_of_its_own_is_no_callers_fault() -> None:
    """It serves an export of another version for a moment, say, which lacks an output or takes smaller batches."""
    refusing = {"fault": grpc.StatusCode.INVALID_ARGUMENT, "fault_details": "unexpected inference output 'familiarity'"}
    async with fake_triton(**refusing) as triton, TritonScorer(triton.address, timeout_seconds=5) as scorer:
        with pytest.raises(errors.ScorerFailedError, match="unexpected inference output"):
            await scorer.score_batch(["q"])
        with pytest.raises(errors.InvalidRequestError):  # it is split: one of the two may be refused
            await scorer.score_batch(["q", "r"])


async def test_every_status_code_of_grpc_is_translated() -> None:
    for code in grpc.StatusCode:
        if code is grpc.StatusCode.OK:
            continue
        async with fake_triton(fault=code) as triton, TritonScorer(triton.address, timeout_seconds=5) as scorer:
            with pytest.raises(errors.GatewayError):
                await scorer.score_batch(["q"])


async def test_a_slow_triton_is_a_timeout() -> None:
    async with fake_triton(delay_seconds=10) as triton, TritonScorer(triton.address, timeout_seconds=0.05) as scorer:
        with pytest.raises(errors.ScorerTimeoutError):
            await scorer.score_batch(["q"])


async def test_nobody_listening_is_unavailable_at_once() -> None:
    async with TritonScorer("127.0.0.1:1", timeout_seconds=30) as scorer:
        with pytest.raises(errors.ScorerUnavailableError):
            await asyncio.wait_for(scorer.score_batch(["q"]), 10)


async def test_several_addresses_share_the_work_and_one_that_is_gone_is_passed_over() -> None:
    async with fake_triton() as stays:
        async with fake_triton() as goes, AsyncExitStack() as stack:
            scorer = TritonScorer(f"ipv4:{stays.address},{goes.address}", timeout_seconds=5)
            await stack.enter_async_context(scorer)

            async def both_were_asked() -> bool:
                await scorer.score_batch(["q"])
                return bool(stays.requests and goes.requests)

            await until(both_were_asked)
            keep = stack.pop_all()
        async with keep:
            await until(lambda: answers(scorer))
            for _ in range(20):
                await scorer.score_batch(["q"])


async def answers(scorer: TritonScorer) -> bool:
    try:
        return bool(await scorer.score_batch(["q"]))
    except errors.ScorerUnavailableError:
        return False


async def test_a_model_that_is_not_ready_is_unavailable() -> None:
    async with fake_triton(ready=False) as triton, TritonScorer(triton.address, timeout_seconds=5) as scorer:
        with pytest.raises(errors.ScorerUnavailableError, match="not ready"):
            await scorer.probe()


async def test_a_cancelled_batch_is_cancelled_in_triton() -> None:
    async with fake_triton(delay_seconds=30) as triton, TritonScorer(triton.address, timeout_seconds=60) as scorer:
        task = asyncio.create_task(scorer.score_batch(["q"]))
        await until(lambda: triton.requests)
        task.cancel()
        await until(lambda: triton.cancelled)


@pytest.mark.parametrize(
    ("version", "cancellable"), [("2.51.0", False), ("2.57.0", True), ("3.0.0", True), ("?", False)]
)
async def test_a_triton_that_crashes_under_cancelled_calls_is_known_by_its_version(
    version: str, cancellable: bool
) -> None:
    async with fake_triton(version=version) as triton, TritonScorer(triton.address, timeout_seconds=5) as scorer:
        assert not scorer.cancellable
        await scorer.probe()
        assert scorer.cancellable is cancellable


async def test_an_answer_of_a_new_bundle_is_read_by_the_new_names() -> None:
    async with fake_triton() as triton, TritonScorer(triton.address, timeout_seconds=5) as scorer:
        await scorer.probe()
        triton.configured = NEW
        assert (await scorer.score_batch(["q"]))[0].bundle == NEW
        assert scorer.bundle == NEW


async def test_during_a_rollover_answers_of_the_old_bundle_keep_the_old_names() -> None:
    async with fake_triton() as triton, TritonScorer(triton.address, timeout_seconds=5) as scorer:
        await scorer.probe()
        triton.configured, triton.answering = NEW, BUNDLE
        await scorer.probe()
        assert (await scorer.score_batch(["q"]))[0].bundle == BUNDLE


async def test_a_bundle_that_nobody_can_name_is_refused() -> None:
    async with fake_triton(answering=NEW) as triton, TritonScorer(triton.address, timeout_seconds=5) as scorer:
        with pytest.raises(errors.BundleMismatchError, match=NEW.bundle_id):
            await scorer.score_batch(["q"])


async def test_another_number_of_scores_than_llms_is_refused() -> None:
    answering = Bundle(BUNDLE.bundle_id, (*BUNDLE.llms, "delta"))
    async with fake_triton(answering=answering) as triton, TritonScorer(triton.address, timeout_seconds=5) as scorer:
        with pytest.raises(errors.ScorerFailedError, match="4 scores for the 3 LLMs"):
            await scorer.score_batch(["q"])


@pytest.mark.parametrize("script", [{"drop_output": "scores"}, {"drop_output": "bundle_id"}, {"score": float("nan")}])
async def test_an_answer_that_cannot_be_read_is_a_failure(script: dict[str, object]) -> None:
    async with fake_triton(**script) as triton, TritonScorer(triton.address, timeout_seconds=5) as scorer:
        with pytest.raises(errors.ScorerFailedError, match="cannot be read"):
            await scorer.score_batch(["q"])


async def test_a_model_without_our_outputs_is_refused() -> None:
    async with (
        fake_triton(drop_output="truncated") as triton,
        TritonScorer(triton.address, timeout_seconds=5) as scorer,
    ):
        with pytest.raises(errors.ScorerFailedError, match="needs input"):
            await scorer.probe()
