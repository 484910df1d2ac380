"""What the autoscaler can know: counters as scraped, and PromQL's rates of them."""

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True)
class Counters:
    """Summed over all pods that there are or were. A request to Triton may have several queries."""

    queue_seconds: float = 0.0
    """nv_inference_queue_duration_us, in seconds"""
    requests: int = 0
    """nv_inference_request_success"""
    computed: int = 0
    """nv_inference_count: queries that Triton computed"""
    asked: int = 0
    """routerdc_requests_total without those from the cache: queries that needed scores, whether they got them or not"""


class Prometheus:
    """Scrapes and answers `rate(…[window])`."""

    def __init__(self, window_seconds: float) -> None:
        self._window_seconds = window_seconds
        self._samples: deque[tuple[float, Counters]] = deque()

    def scrape(self, now: float, counters: Counters) -> None:
        """Takes a sample."""
        self._samples.append((now, counters))
        while self._samples[0][0] < now - self._window_seconds:
            self._samples.popleft()

    def queue_seconds_per_request(self) -> float:
        """rate(nv_inference_queue_duration_us) / rate(nv_inference_request_success); 0 where there were no requests."""
        first, last = self._samples[0][1], self._samples[-1][1]
        requests = last.requests - first.requests
        return (last.queue_seconds - first.queue_seconds) / requests if requests else 0.0

    def computed_per_second(self) -> float:
        """sum(rate(nv_inference_count)); 0 while there is only one sample."""
        return self._per_second(self._samples[-1][1].computed - self._samples[0][1].computed)

    def asked_per_second(self) -> float:
        """sum(rate(routerdc_requests_total{reason!="cached"})); 0 while there is only one sample."""
        return self._per_second(self._samples[-1][1].asked - self._samples[0][1].asked)

    def _per_second(self, increase: int) -> float:
        seconds = self._samples[-1][0] - self._samples[0][0]
        return increase / seconds if seconds else 0.0
