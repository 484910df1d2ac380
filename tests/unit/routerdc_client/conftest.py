"""The clients are tested against a real server of the gateway's."""

from tests.support.running_gateway import start

__all__ = ["start"]
