"""Content codings: what they hold comes out, bombs do not."""

import gzip
import tracemalloc
from collections.abc import Callable

import pytest
from backports import zstd

from gateway.openai.bodies.answers import OpenAiError
from gateway.openai.bodies.coding import inflate

BODY = b'{"model": "auto", "messages": []}' * 100
ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "zstd": zstd.compress,
    " GZip ": gzip.compress,
}


@pytest.mark.parametrize("coding", ENCODERS)
def test_body_is_inflated(coding: str) -> None:
    assert inflate(coding, ENCODERS[coding](BODY), len(BODY)) == BODY


@pytest.mark.parametrize("coding", ["", "identity"])
def test_body_without_a_coding_stays(coding: str) -> None:
    assert inflate(coding, BODY, 1) is BODY


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_bomb_is_refused_before_it_inflates(coding: str) -> None:
    bomb = ENCODERS[coding](b"\0" * 64 * 2**20)
    tracemalloc.start()
    with pytest.raises(OpenAiError, match="more than the limit of 1048576 bytes") as caught:
        inflate(coding, bomb, 2**20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.status == 413
    assert peak < 20 * 2**20


def test_zstd_that_asks_for_a_huge_window_is_refused() -> None:
    options: dict[int, int] = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.content_size_flag: 0}
    coder = zstd.ZstdCompressor(options=options)
    data = coder.compress(b"x" * 100) + coder.flush()
    with pytest.raises(OpenAiError, match="the body is not zstd"):
        inflate("zstd", data, 2**20)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@pytest.mark.parametrize("data", [b"", b"junk", b"{}"])
def test_what_is_not_in_the_coding_is_400(coding: str, data: bytes) -> None:
    with pytest.raises(OpenAiError) as caught:
        inflate(coding, data, 100)
    assert (caught.value.status, caught.value.param) == (400, "content-encoding")


@pytest.mark.parametrize(("coding", "message"), [("gzip", "ends in the middle"), ("zstd", "ended before the end")])
def test_half_a_body_is_400(coding: str, message: str) -> None:
    with pytest.raises(OpenAiError, match=message):
        inflate(coding, ENCODERS[coding](BODY)[:-9], 10_000)


def test_several_frames_of_zstd_are_one_body() -> None:
    assert inflate("zstd", zstd.compress(BODY) + zstd.compress(BODY), 10_000) == 2 * BODY


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, gzip", "x" * 1000])
def test_other_codings_are_415_and_the_known_ones_are_named(coding: str) -> None:
    with pytest.raises(OpenAiError, match="send gzip, x-gzip, zstd, or no coding") as caught:
        inflate(coding, BODY, 100)
    assert caught.value.status == 415
    assert len(caught.value.message) < 300
