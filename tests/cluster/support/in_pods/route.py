"""ADDRESS QUERY: one decision as JSON."""

import json
import sys

from routerdc_client import RouterClient
from routerdc_contract.v1 import router_pb2

if __name__ == "__main__":
    with RouterClient(sys.argv[1]) as router:
        answer = router.route(sys.argv[2], deadline_ms=20000)
    reason = router_pb2.Reason.Name(answer.reason)
    endpoint = answer.endpoint.address
    print(json.dumps({"llm": answer.llm, "address": endpoint, "bundle": answer.bundle_id, "reason": reason}))
