"""A result by LLMRouterBench's own storage: `python llmrouterbench.py CHECKOUT OUT`, OUT being its results folder."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(sys.argv[1])))
from data_collector.storage import BenchmarkResult, RecordResult, ResultsStorage

GOOD = RecordResult(1, "Calculate 51 * 99 + 912.", "Think. Calculate 51 * 99 + 912.", 14, 5, 0.0002, 1.0, "5961",
                    "5961", "The answer is 5961.")  # fmt: skip
UNGRADED = RecordResult(2, "Name a river.", "Name a river.", 8, 2, 0.0001, None, "", "", "The Rhine.")
FAILED = RecordResult(3, "Name a lake.", "Name a lake.", 0, 0, 0.0, None, "", "", "Processing failed: no answer")
LOST = RecordResult(4, "", "", 0, 0, 0.0, None, "", "", "Unexpected error: no answer")

if __name__ == "__main__":
    for demo in (False, True):
        records = [GOOD] if demo else [GOOD, UNGRADED, FAILED, LOST]
        result = BenchmarkResult(1.0, 1.5, 22, 7, 0.0003, len(records), "gpt-x", "gsm", "test", records, demo)
        folder = "demo" if demo else "test"
        ResultsStorage(sys.argv[2]).save_result(result, "gsm", folder, "gpt-x", "fingerprint")
