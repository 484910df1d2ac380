"""The clients are tested against a real server of the gateway's."""

from tests.support.gateways.running import start

__all__ = ["start"]
