"""Names of the gRPC services that the gateway offers; callers, probes and Envoy's configuration use the same ones."""

from routerdc_contract.v1 import router_pb2

ROUTER = router_pb2.DESCRIPTOR.services_by_name["Router"].full_name
# Envoy's external processing service, whose protobufs only the gateway has (xds-protos).
EXTERNAL_PROCESSOR = "envoy.service.ext_proc.v3.ExternalProcessor"
# A health service that only says that the process runs: orchestrators restart by it, so it ignores Triton.
LIVE = "live"
