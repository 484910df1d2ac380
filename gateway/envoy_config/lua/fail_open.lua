-- Runs after the external processor. Where that has decided, only clusters that rest, or that Envoy does not have, are left
-- out. Where it has not (the gateway is down or too slow), the request goes on without it: a virtual model to its default
-- LLMs, a named LLM to itself.
-- This route's metadata: candidates = { model = { cluster, ... } }, clusters = { cluster = number of hosts }: those that Envoy has,
-- parameters = { key = true }: members of bodies that some LLM of the pool has for its own.

-- The model that the body names, once adapt.lua knows where it and the LLMs' own parameters stand; nil after an answer.
local function read_body(handle)
  local body = handle:body() -- waits; what was taken from the handle before is not valid afterwards
  local json = body and body:getBytes(0, body:length()) or ""
  local name, spans = read_model(json, handle:metadata():get("parameters") or {})
  if not name then return refuse(handle, "400", "invalid_request_error", "null", spans) end
  handle:streamInfo():dynamicMetadata():set("routerdc", "spans", spans)
  return name
end

-- The groups of the clusters that Envoy itself would try for a model; nil where it knows no such model.
local function own_groups(handle, model)
  local candidates = handle:metadata():get("candidates")[model]
  local groups = {}
  for i, cluster in ipairs(candidates or {}) do
    groups[i] = { name = cluster, clusters = { { cluster_name = cluster, weight = 1 } } }
  end
  return candidates and groups
end

-- The groups to try where nobody has decided, or nil after an answer.
local function fallback(handle)
  local name = read_body(handle)
  if not name then return end
  local groups = own_groups(handle, name)
  if not groups then
    local message = "the router is not reachable and this model has no default"
    return refuse(handle, "503", "server_error", '"router_unavailable"', message)
  end
  handle:streamInfo():dynamicMetadata():set("routerdc", "reason", "fallback")
  return groups
end

-- Those of `all` that Envoy has; where it has none of them, its own clusters of the LLM that was chosen, or nil after an
-- answer: gateways and Envoy read a changed endpoints.yaml one after the other.
local function groups_here(handle, all, sizes)
  local here = known(all, sizes)
  if #here > 0 then return here end
  local groups = own_groups(handle, handle:streamInfo():dynamicMetadata():get("routerdc").llm)
  if groups then return read_body(handle) and groups end
  local message = "the proxy does not know an endpoint of this model yet, or any more"
  return refuse(handle, "503", "server_error", '"router_unavailable"', message)
end

-- The name of the API key, where the gateway asks for keys; else the address.
local function caller_of(handle)
  local info = handle:streamInfo()
  local routed = info:dynamicMetadata():get("routerdc")
  if routed and routed.caller then return routed.caller end
  return (info:downstreamDirectRemoteAddress():gsub(":%d+$", ""))
end

function envoy_on_request(handle)
  local metadata = handle:streamInfo():dynamicMetadata()
  local decided = metadata:get("routerdc.candidates")
  local all = decided and decided.priority_groups or fallback(handle)
  if not all then return end
  local sizes, now = handle:metadata():get("clusters") or {}, os.time()
  local here = groups_here(handle, all, sizes)
  if not here then return end
  local groups, seconds = awake(here, sizes, caller_of(handle), now)
  if not groups then
    local message = "every endpoint that could answer has asked to be left alone for a while"
    return refuse(handle, "429", "rate_limit_error", '"rate_limit_exceeded"', message, { ["retry-after"] = tostring(seconds) })
  end
  local host = preferred_host(groups[1].name, now)
  if host then handle:setUpstreamOverrideHost(host, false) end
  if decided and #groups == #all and groups[1].name == all[1].name then return end -- all of them, as decided
  metadata = handle:streamInfo():dynamicMetadata()
  metadata:set("routerdc.candidates", "priority_groups", groups)
  handle:headers():replace("x-envoy-max-retries", tostring(#groups - 1))
  handle:clearRouteCache()
end

function envoy_on_response(handle)
  local metadata, now = handle:streamInfo():dynamicMetadata(), os.time()
  remember(metadata:get("routerdc.rests") or {}, now)
  remember_hosts(metadata:get("routerdc.hosts") or {}, now)
  local verdicts = metadata:get("routerdc.verdicts")
  if not verdicts then return end
  local caller = caller_of(handle)
  for cluster, verdict in pairs(verdicts) do judge(cluster, verdict == "refused", caller, now) end
end
