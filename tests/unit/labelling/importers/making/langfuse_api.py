"""Answers of Langfuse's API (v2), by the response classes of its own client: `python langfuse_api.py OUT.json`."""

import datetime
import json
import sys
from pathlib import Path

from langfuse.api.commons.types.observation_v2 import ObservationV2
from langfuse.api.commons.types.score import Score_Numeric

NOW = datetime.datetime(2026, 11, 30, tzinfo=datetime.UTC)
CHAT = [{"role": "user", "content": "Calculate 51 * 99 + 912."}]
COMMON = {"trace_id": "t1", "project_id": "p", "start_time": NOW, "end_time": NOW + datetime.timedelta(seconds=0.21)}
GOOD = {"id": "o1", "type": "GENERATION", "model": "gpt-x", "input": CHAT, "level": "DEFAULT", "latency": 0.21,
        "output": {"role": "assistant", "content": "The answer is 5961."}, "total_cost": 0.0002,
        "usage_details": {"input": 14, "output": 5, "total": 19}, "cost_details": {"total": 0.0002}}  # fmt: skip
FAILED = {**GOOD, "id": "o2", "trace_id": "t2", "level": "ERROR", "output": None, "usage_details": None}
SPAN = {"id": "o3", "type": "SPAN", "name": "retrieval"}
SCORE = {"id": "s1", "trace_id": "t1", "name": "correct", "value": 1.0, "source": "API", "timestamp": NOW,
         "created_at": NOW, "updated_at": NOW, "environment": "default", "data_type": "NUMERIC"}  # fmt: skip

if __name__ == "__main__":
    observations = [json.loads(ObservationV2(**{**COMMON, **row}).json()) for row in (GOOD, FAILED, SPAN)]
    content = {"observations": observations, "scores": [json.loads(Score_Numeric(**SCORE).json())]}
    Path(sys.argv[1]).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
