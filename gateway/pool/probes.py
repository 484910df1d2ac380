"""Active probes: asks endpoints that have a `probe_path` whether they are well, at intervals, and tells their health.

GET on the endpoint's host and port, without a key; an answer below 400 in time is well. Answers are not read. At most
`max_probes` probes at once, and each begins at a moment of its own, so that a large pool is not asked in bursts.
"""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import urlsplit

import aiohttp
import structlog

from gateway.config.endpoints_file import Endpoint
from gateway.config.file_reads import start_read
from gateway.config.groups import EndpointRules
from gateway.domain.outcomes import EndpointState
from gateway.pool.pool import Pool

log = structlog.get_logger("gateway.pool.probes")


class Prober:
    """Probes the endpoints of whatever pool is in use."""

    def __init__(self, pool: Callable[[], Pool], rules: EndpointRules) -> None:
        self._pool = pool
        self._interval_seconds = rules.probe_interval_seconds
        self._timeout = aiohttp.ClientTimeout(total=rules.probe_timeout_seconds)
        self._slots = asyncio.Semaphore(rules.max_probes)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Probes while the block runs; its end cancels the probes in flight."""
        task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _watch(self) -> None:
        async with aiohttp.ClientSession(timeout=self._timeout, auto_decompress=False) as session:
            while True:
                async with asyncio.TaskGroup() as group:
                    group.create_task(asyncio.sleep(self._interval_seconds))
                    for endpoint in _probed(self._pool()):
                        group.create_task(self._one(session, endpoint))

    async def _one(self, session: aiohttp.ClientSession, endpoint: Endpoint) -> None:
        await asyncio.sleep(random.uniform(0, self._interval_seconds))  # noqa: S311 - spreads load, hides nothing
        async with self._slots:
            try:
                ok = await _is_well(session, endpoint)
            except Exception:  # a defect; but a prober that died would leave states as they were for ever
                log.exception("probing failed", address=endpoint.address)
                return
        pool = self._pool()
        if pool.find(endpoint.address, endpoint.model) is None:
            return  # the pool was replaced meanwhile
        health = pool.endpoint_health
        before = health.state(endpoint)
        health.probe(endpoint, ok)
        if (before is EndpointState.DOWN) is not (health.state(endpoint) is EndpointState.DOWN):
            log.warning("endpoint probed", address=endpoint.address, down=not ok)


async def _is_well(session: aiohttp.ClientSession, endpoint: Endpoint) -> bool:
    try:
        tls = await asyncio.wait_for(_tls(endpoint), session.timeout.total)
        async with session.get(_url(endpoint), ssl=tls, allow_redirects=False) as response:
            return response.status < 400
    except (aiohttp.ClientError, TimeoutError, OSError):  # ca_file that cannot be read included
        return False


def _probed(pool: Pool) -> Iterable[Endpoint]:
    """Every endpoint in use with a probe path, once."""
    endpoints = (endpoint for _, endpoint, _ in pool.states() if endpoint.in_use and endpoint.probe_path is not None)
    return {(endpoint.address, endpoint.model): endpoint for endpoint in endpoints}.values()


def _url(endpoint: Endpoint) -> str:
    url = urlsplit(endpoint.address)
    return f"{url.scheme}://{url.netloc}{endpoint.probe_path}"


async def _tls(endpoint: Endpoint) -> ssl.SSLContext | bool:
    if endpoint.ca_file is None:
        return True
    return await start_read("ca_file", partial(ssl.create_default_context, cafile=endpoint.ca_file))
