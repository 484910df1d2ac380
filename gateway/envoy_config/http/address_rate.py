"""What one address may ask for, where the operator says so: requests beyond that end before anything looks at them.

Envoy bounds neither the connections of an address nor the calls that they hold. Without this limit a single host has
gateways begin hundreds of calls at once, again and again, and everybody waits for them.
"""

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.common.ratelimit.v3 import ratelimit_pb2
from envoy.extensions.filters.http.local_ratelimit.v3 import local_rate_limit_pb2
from envoy.type.v3 import percent_pb2, token_bucket_pb2

from gateway.envoy_config.parts.dump import seconds

NAME = "envoy.filters.http.local_ratelimit"
DETAILS = "local_rate_limited"
# A site has so many bits of an IPv6 address, and may choose the rest for each connection.
_SITE_BITS = 64
# The addresses that Envoy remembers; who has not asked for longest is forgotten first.
_ADDRESSES = 10_000


def address_rate(per_second: int) -> local_rate_limit_pb2.LocalRateLimit:
    """The filter that lets each address have `per_second` requests a second, and as many at once."""
    action = route_components_pb2.RateLimit.Action
    masked = action.MaskedRemoteAddress(v6_prefix_mask_len={"value": _SITE_BITS})
    always = base_pb2.RuntimeFractionalPercent(default_value=percent_pb2.FractionalPercent(numerator=100))
    bucket = token_bucket_pb2.TokenBucket(
        max_tokens=per_second, tokens_per_fill={"value": per_second}, fill_interval=seconds(1)
    )
    entry = ratelimit_pb2.RateLimitDescriptor.Entry(key="masked_remote_address")  # of whatever value
    return local_rate_limit_pb2.LocalRateLimit(
        stat_prefix="address",
        filter_enabled=always,
        filter_enforced=always,
        rate_limits=[route_components_pb2.RateLimit(actions=[action(masked_remote_address=masked)])],
        descriptors=[ratelimit_pb2.LocalRateLimitDescriptor(entries=[entry], token_bucket=bucket)],
        max_dynamic_descriptors={"value": _ADDRESSES},
        rate_limited_as_resource_exhausted=True,
    )
