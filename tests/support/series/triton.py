"""Time series that Triton exposes, with their labels: those that we ask for. Held against a real one end to end."""

OF_MODELS = {"model", "version"}
TRITON_SERIES: dict[str, set[str]] = {
    "nv_inference_request_success": OF_MODELS,
    "nv_inference_request_failure": OF_MODELS | {"reason"},
    "nv_inference_count": OF_MODELS,
    "nv_inference_exec_count": OF_MODELS,
    "nv_inference_request_duration_us": OF_MODELS,
    "nv_inference_queue_duration_us": OF_MODELS,
    "nv_inference_compute_input_duration_us": OF_MODELS,
    "nv_inference_compute_infer_duration_us": OF_MODELS,
    "nv_inference_compute_output_duration_us": OF_MODELS,
    "nv_inference_pending_request_count": OF_MODELS,
}
