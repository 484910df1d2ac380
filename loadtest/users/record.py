"""Tells locust of calls that it did not make itself."""

from locust.env import Environment


class CallFailure(Exception):  # noqa: N818 - locust's word for it
    """What locust counts failures by: a gRPC status code, or why an answer is no decision."""


def record(environment: Environment, kind: str, name: str, took_seconds: float, failure: str = "") -> None:
    """One call that ended now; `failure` is empty where it succeeded."""
    environment.events.request.fire(
        request_type=kind,
        name=name,
        response_time=took_seconds * 1000,
        response_length=0,
        exception=CallFailure(failure) if failure else None,
        context={},
    )
