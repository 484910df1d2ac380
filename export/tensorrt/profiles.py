"""Length buckets of a TensorRT engine, one optimization profile each: the one place that says what shapes it serves."""

from typing import NamedTuple

MAX_ROWS = 64  # max_batch_size of the model `routerdc`: it never asks for more in one call
TUNED_TOKENS = 4096  # per call: kernels are chosen for this many, or for MAX_ROWS rows where that is less
BUCKETS = (32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
"""Longest sequence of each profile, up to the bundle's own limit"""
SHORTEST = 2  # every query has its two special tokens


class Shape(NamedTuple):
    """Of `input_ids` and of `attention_mask`."""

    rows: int
    tokens: int


class Profile(NamedTuple):
    """An optimization profile: every shape from `least` to `most` is accepted, `tuned` is the fastest."""

    least: Shape
    tuned: Shape
    most: Shape


def profiles(max_tokens: int) -> list[Profile]:
    """Profiles that together accept 1 to `MAX_ROWS` rows of up to `max_tokens` tokens, shortest first."""
    longest = [bucket for bucket in BUCKETS if bucket < max_tokens] + [max_tokens]
    shortest = [SHORTEST, *(bucket + 1 for bucket in longest[:-1])]
    return [
        Profile(Shape(1, low), Shape(min(MAX_ROWS, max(1, TUNED_TOKENS // high)), high), Shape(MAX_ROWS, high))
        for low, high in zip(shortest, longest, strict=True)
    ]
