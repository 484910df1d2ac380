"""What Envoy does before it runs out of memory or connections: it gives up single streams and refuses new ones.

Nobody's bodies may stay in memory for as long as their sender likes: beyond these limits the requests that hold most of
it end first, and callers that send little are still served.
"""

from envoy.config.overload.v3 import overload_pb2
from envoy.extensions.resource_monitors.downstream_connections.v3 import downstream_connections_pb2
from envoy.extensions.resource_monitors.fixed_heap.v3 import fixed_heap_pb2
from google.protobuf.message import Message

from gateway.envoy_config.parts.dump import packed, seconds
from gateway.envoy_config.parts.options import MIB, Options

_HEAP = "envoy.resource_monitors.fixed_heap"
_CONNECTIONS = "envoy.resource_monitors.global_downstream_max_connections"
_ACTIONS = "envoy.overload_actions"
_ABORT_HTTP1 = "envoy.load_shed_points.http1_server_abort_dispatch"
# Streams that hold less than this (as a power of two, in bytes) are not worth resetting: a fourth of a MiB.
_TRACKED_FROM = 18


def overload_manager(options: Options) -> overload_pb2.OverloadManager:
    """Limits of heap and connections, and what happens from which share of the heap on."""
    heap = fixed_heap_pb2.FixedHeapConfig(max_heap_size_bytes=options.max_heap_mib * MIB)
    connections = downstream_connections_pb2.DownstreamConnectionsConfig(
        max_active_downstream_connections=options.max_connections
    )
    return overload_pb2.OverloadManager(
        refresh_interval=seconds(0.02),
        resource_monitors=[_monitor(_HEAP, heap), _monitor(_CONNECTIONS, connections)],
        buffer_factory_config=overload_pb2.BufferFactoryConfig(minimum_account_to_track_power_of_two=_TRACKED_FROM),
        actions=[
            _action("shrink_heap", 0.7),
            overload_pb2.OverloadAction(name=f"{_ACTIONS}.reset_high_memory_stream", triggers=[_scaled(0.7, 0.95)]),
            _action("disable_http_keepalive", 0.9),
            _action("stop_accepting_requests", 0.95),
            _action("reject_incoming_connections", 0.98),
        ],
        # Envoy resets streams that hold much only of HTTP/2. Of HTTP/1, senders of more data are cut off, by chance.
        loadshed_points=[overload_pb2.LoadShedPoint(name=_ABORT_HTTP1, triggers=[_scaled(0.7, 0.95)])],
    )


def _monitor(name: str, config: Message) -> overload_pb2.ResourceMonitor:
    return overload_pb2.ResourceMonitor(name=name, typed_config=packed(config))


def _action(name: str, share: float) -> overload_pb2.OverloadAction:
    """From `share` of the heap on."""
    threshold = overload_pb2.ThresholdTrigger(value=share)
    trigger = overload_pb2.Trigger(name=_HEAP, threshold=threshold)
    return overload_pb2.OverloadAction(name=f"{_ACTIONS}.{name}", triggers=[trigger])


def _scaled(begins: float, full: float) -> overload_pb2.Trigger:
    """More and more between two shares of the heap."""
    scaled = overload_pb2.ScaledTrigger(scaling_threshold=begins, saturation_threshold=full)
    return overload_pb2.Trigger(name=_HEAP, scaled=scaled)
