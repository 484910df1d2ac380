"""ADDRESS QUERY [CA_FILE]: one decision as JSON."""

import json
import sys
from pathlib import Path

from routerdc_client import ClientTls, RouterClient
from routerdc_contract.v1 import router_pb2

if __name__ == "__main__":
    address, query, *ca_file = sys.argv[1:]
    tls = ClientTls(Path(ca_file[0])) if ca_file else None
    with RouterClient(address, tls=tls) as router:
        answer = router.route(query, deadline_ms=20000)
    reason = router_pb2.Reason.Name(answer.reason)
    endpoint = answer.endpoint.address
    print(json.dumps({"llm": answer.llm, "address": endpoint, "bundle": answer.bundle_id, "reason": reason}))
