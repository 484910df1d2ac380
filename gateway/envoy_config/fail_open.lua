-- After the external processor. Where that has decided, nothing is left to do. Where it has not (the gateway is down or
-- too slow), the request goes on without it: a virtual model to its default LLMs, a named LLM to itself.
-- This route's metadata: candidates = { model = { cluster, ... } }.

function envoy_on_request(handle)
  if handle:streamInfo():dynamicMetadata():get("routerdc") then return end
  local body = handle:body() -- waits; what was taken from the handle before is not valid afterwards
  local json = body and body:getBytes(0, body:length()) or ""
  local from, to = model_span(json)
  local candidates = from and handle:metadata():get("candidates")[json:sub(from + 1, to - 1)]
  if not candidates then
    local answer = '{"error": {"message": "the router is not reachable and this model has no default", '
      .. '"type": "server_error", "param": "model", "code": "router_unavailable"}}'
    handle:respond({ [":status"] = "503", ["content-type"] = "application/json" }, answer)
    return
  end
  local groups = {}
  for i, cluster in ipairs(candidates) do groups[i] = { name = cluster } end
  local metadata = handle:streamInfo():dynamicMetadata()
  metadata:set("routerdc", "reason", "fallback")
  metadata:set("routerdc.candidates", "priority_groups", groups)
  handle:headers():replace("x-envoy-max-retries", tostring(#groups - 1))
  handle:clearRouteCache()
end
