"""RouterBench's wide table by its own converters: `python routerbench.py CHECKOUT OUT.csv`.

From two logs as OpenAI evals writes them. What they import for prices and embeddings is not needed, and left out.
"""

import json
import sys
import tempfile
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path(sys.argv[1])))
for name, attribute in (
    ("routers.abstract_router", "calculate_cost_for_prompt_and_response"),
    ("embedding", "EmbeddingCache"),
):
    sys.modules[name] = ModuleType(name)
    setattr(sys.modules[name], attribute, None)

import tqdm  # noqa: E402

tqdm.tqdm.pandas()

from convertors.common import convert_to_wide_format, generate_oracle_routing_results  # noqa: E402
from convertors.martian_evals_convertor import process_api_logs, process_raw_data  # noqa: E402

TASKS = {"gsm.0": ("Calculate 51 * 99 + 912.", "The answer is 5961."), "gsm.1": ('It\'s 2 + 2?\nSay "4".', "4")}
COSTS = {"gpt-4-1106-preview": 0.0002, "mistralai/mistral-7b-chat": 0.00001}


def _log(path: Path, llm: str, right: bool) -> None:
    lines: list[object] = [{"spec": {"completion_fns": [f"raw_models/{llm}"], "eval_name": "grade-school-math.dev.v0"}}]
    for sample, (question, answer) in TASKS.items():
        common = {"run_id": "r", "sample_id": sample, "created_at": "2024-01-01"}
        prompt, sampled = [{"role": "user", "content": question}], [answer if right else "6"]
        lines.append({**common, "type": "sampling", "data": {"prompt": prompt, "sampled": sampled}})
        lines.append({**common, "type": "match", "data": {"correct": right}})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for index, llm in enumerate(COSTS):
            _log(Path(folder) / f"{index}.jsonl", llm, index == 0)
        long = process_raw_data(process_api_logs(folder))
    long["performance"] = long["performance"].astype(float)
    long["cost"] = long["model_name"].map(COSTS)
    wide = generate_oracle_routing_results(convert_to_wide_format(long, with_cost_col=True), list(COSTS))
    wide.to_csv(sys.argv[2], index=False)
