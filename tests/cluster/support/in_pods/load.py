"""ADDRESS CALLERS [CA_FILE]: queries until standard input ends, then what came back, counted, as JSON."""

import asyncio
import json
import sys
import time
from collections import Counter
from pathlib import Path

from routerdc_client import AsyncRouterClient, ClientTls, RouteError
from routerdc_contract.v1 import router_pb2


class Load:
    def __init__(self, address: str, tls: ClientTls | None) -> None:
        self.address, self.tls, self.over = address, tls, False
        self.failed: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.bundles: Counter[str] = Counter()

    async def caller(self, number: int) -> None:
        async with AsyncRouterClient(self.address, tls=self.tls) as router:
            while not self.over:
                try:
                    answer = await router.route(f"What is {number} and {time.time_ns()}?", deadline_ms=20000)
                    self.reasons[router_pb2.Reason.Name(answer.reason)] += 1
                    self.bundles[answer.bundle_id] += 1
                except RouteError as error:
                    self.failed[str(error)[:300]] += 1
                await asyncio.sleep(0.1)

    async def run(self, callers: int) -> None:
        asking = asyncio.gather(*(self.caller(number) for number in range(callers)))
        await asyncio.to_thread(sys.stdin.read)
        self.over = True
        await asking
        print(json.dumps({"failed": self.failed, "reasons": self.reasons, "bundles": self.bundles}))


if __name__ == "__main__":
    where, count, *ca_file = sys.argv[1:]
    asyncio.run(Load(where, ClientTls(Path(ca_file[0])) if ca_file else None).run(int(count)))
