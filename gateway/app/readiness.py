"""Whether there is a router to ask: at the start, which waits for one or goes on without, and ever after.

Knows the pool and the Tritons; does not know who asks.
"""

import asyncio

import structlog

from gateway.app.build import API_KEYS
from gateway.app.reload import Reloader
from gateway.config.settings import Settings
from gateway.domain.scorer import Bundle
from gateway.errors import BundleMismatchError, EndpointsError, ScorerError, StaleKeysError, TritonMissingError
from gateway.pool.pool import Pool
from gateway.pool.pool_ref import PoolRef
from gateway.scoring.triton.balancer import TritonBalancer
from gateway.scoring.unrouted import NO_BUNDLE

log = structlog.get_logger("gateway.app.readiness")

_POLL_SECONDS = 0.2


async def served_bundle(triton: TritonBalancer, pool: PoolRef, settings: Settings) -> Bundle:
    """The bundle that is served now; NO_BUNDLE where the gateway may do without one and none has been found yet.

    Raises:
        ScorerError: there is none, and there should be.
    """
    try:
        return await triton.probe(pool.current.check)
    except ScorerError:
        if settings.scoring.start_without_router and not triton.has_served:
            return NO_BUNDLE
        raise


def check(pool: PoolRef, reloader: Reloader, bundle: Bundle) -> None:
    """Refuses a state in which nothing should be served from here.

    Raises:
        BundleMismatchError: `bundle` is not for the pool.
        StaleKeysError: the API keys may be out of date, so that a withdrawn one would still be let in.
    """
    pool.current.check(bundle)
    if (problem := reloader.hanging(API_KEYS)) is not None:
        raise StaleKeysError(problem)


async def wait_for_bundle(triton: TritonBalancer, pool: Pool, settings: Settings) -> None:
    """Returns once a Triton serves a bundle with exactly the LLMs of `pool`, or at once where none is needed.

    Raises:
        EndpointsError: there is a bundle, with other LLMs.
        TritonMissingError: there is none in time.
    """
    if settings.scoring.start_without_router:
        log.info("no router is waited for: the default LLMs answer until there is one")
        return
    problem = f"Triton at {settings.scoring.triton_address} does not answer"
    try:
        async with asyncio.timeout(settings.scoring.startup_timeout_seconds):
            while True:
                try:
                    pool.check_equal(await triton.probe(pool.check))
                    return
                except BundleMismatchError as error:
                    raise EndpointsError(f"{settings.files.endpoints_file}: {error}") from None
                except ScorerError as error:
                    if problem != str(error):
                        log.info("waiting for Triton", problem=str(error))
                    problem = str(error)
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        seconds = f"{settings.scoring.startup_timeout_seconds:g} s"
        raise TritonMissingError(f"waited {seconds}: {problem}; start it, or set --triton-address") from None
