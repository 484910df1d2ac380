"""What training, serving and clients agree on: messages, the bundle's manifest, tensor names.

Imports nothing of ours.
"""

from pathlib import Path

# Sample queries of every kind, one JSON object a line: what an export is checked with and a load test sends by default.
SAMPLE_QUERIES_FILE = Path(__file__).with_name("sample_queries.jsonl")
