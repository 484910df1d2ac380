"""Content codings of request bodies: gzip and zstd, as coding agents send them.

A body is inflated up to a limit and not a byte further, whatever it claims. The LLM gets it uncompressed: most LLM
servers read no compressed requests. Where no gateway answers, Envoy reads the same codings, which excludes deflate
(Envoy has no reader of it) and brotli (nobody sends it). Knows bytes, not JSON.
"""

import io
import zlib
from collections.abc import Callable

from backports import zstd

from gateway.openai.bodies.answers import OpenAiError, invalid

_MAX_WINDOW_BITS = 23  # 8 MiB. RFC 8878: decoders should support as much; some 130 MiB could be demanded


def inflate(coding: str, data: bytes, limit_bytes: int) -> bytes:
    """The body that `data` is in the content coding `coding` ("" and "identity": none).

    Raises:
        OpenAiError: 415: the coding is not known; 400: the data is not in it; 413: more than `limit_bytes` come out.
    """
    if (name := coding.strip().lower()) in ("", "identity"):
        return data
    if (decoder := _DECODERS.get(name)) is None:
        raise OpenAiError(415, NOT_READ)
    try:
        inflated = decoder(data, limit_bytes + 1)
    except (zlib.error, zstd.ZstdError, EOFError) as error:
        raise invalid("content-encoding", f"the body is not {name}: {error}") from None
    if len(inflated) > limit_bytes:
        message = f"body: inflates to more than the limit of {limit_bytes} bytes"
        raise OpenAiError(413, message, code="request_too_large")
    return inflated


def _zlib(wbits: int) -> Callable[[bytes, int], bytes]:
    def decode(data: bytes, most: int) -> bytes:
        decoder = zlib.decompressobj(wbits)
        inflated = decoder.decompress(data, most)
        if len(inflated) < most and (not decoder.eof or decoder.unused_data):
            raise EOFError("something follows its end" if decoder.eof else "it ends in the middle")
        return inflated

    return decode


def _zstd(data: bytes, most: int) -> bytes:
    with zstd.open(io.BytesIO(data), options={zstd.DecompressionParameter.window_log_max: _MAX_WINDOW_BITS}) as reader:
        inflated = reader.read(most)
    if not inflated:
        raise EOFError("it ends in the middle")
    return inflated


_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _zlib(16 + zlib.MAX_WBITS),
    "x-gzip": _zlib(16 + zlib.MAX_WBITS),
    "zstd": _zstd,
}
CODINGS = tuple(_DECODERS)
NOT_READ = f"content-encoding: this one is not read; send {', '.join(CODINGS)}, or no coding"
