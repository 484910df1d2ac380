"""Names and types of the tensors that cross process boundaries (KServe v2), and of the encoder graph.

Does not know how they are computed or transported.
"""

from typing import Final

ROUTER_MODEL: Final = "routerdc"
"""Triton model: text in, scores out."""
ENCODER_MODEL: Final = "routerdc_encoder"
"""Triton model: token ids in, embedding out (only where the engine is a Triton backend of its own)."""

# Triton model `routerdc`
QUERY: Final = "query"  # BYTES [1], UTF-8
CHOICE: Final = "choice"  # INT32 [1], argmax of scores
SCORES: Final = "scores"  # FP32 [n_llms], in the order of the configuration's parameter `llms`
TOKEN_COUNT: Final = "token_count"  # noqa: S105 - INT32 [1], tokens the encoder saw
TRUNCATED: Final = "truncated"  # BOOL [1]
EMBEDDING: Final = "embedding"  # FP32 [dim], unit length
FAMILIARITY: Final = "familiarity"  # FP32 [1], 0: unlike the training queries, 1: like them; NaN: not known
NEIGHBOURS: Final = "neighbours"  # BYTES [1], JSON: the nearest graded training queries; only where the bundle has them
QUERY_CRC32: Final = "query_crc32"  # UINT32 [1], CRC-32 (IEEE) of the query's bytes: which query is answered
BUNDLE_ID: Final = "bundle_id"  # BYTES [1]: during a rollover two bundles answer, and each answer says which one it is

# Parameters in the configuration of `routerdc`
PARAMETER_BUNDLE_ID: Final = "bundle_id"
PARAMETER_LLMS: Final = "llms"  # JSON list of names in score order
PARAMETER_MAX_TOKENS: Final = "max_tokens"  # how many tokens of a text are read, special tokens included
PARAMETER_CALIBRATION: Final = "calibration"  # JSON list in the same order: [slope, intercept], or null where unknown

# Encoder graph, every engine
INPUT_IDS: Final = "input_ids"  # INT32 [batch, sequence]
ATTENTION_MASK: Final = "attention_mask"  # INT32 [batch, sequence], 1 for tokens, 0 for padding
# its output is EMBEDDING: FP32 [batch, dim]
