-- Which web pages may ask: those of the operator's origins (CORS). Envoy's own filter passes over routes that Envoy
-- answers itself, and so over the list of models.
-- The others may not even ask without reading the answer: a browser sends a plain POST of any page to any server that it
-- reaches, this machine's included, and only says which page it is from.
-- Rendered before this: ORIGINS = { origin = true } ("*": every one), METHODS, SENT, SEEN.

local READS = { GET = true, HEAD = true, OPTIONS = true }

function envoy_on_request(handle)
  local headers = handle:headers()
  local origin = headers:get("origin")
  if not origin then return end
  if not (ORIGINS[origin] or ORIGINS["*"]) then
    if READS[headers:get(":method")] then return end
    local message = "web pages of this origin may not ask; the operator can allow it (--cors-origin)"
    return refuse(handle, "403", "invalid_request_error", '"origin_not_allowed"', message)
  end
  handle:streamInfo():dynamicMetadata():set("routerdc.cors", "origin", origin)
  if headers:get(":method") ~= "OPTIONS" or not headers:get("access-control-request-method") then return end
  handle:respond({
    [":status"] = "204",
    ["access-control-allow-methods"] = METHODS,
    ["access-control-allow-headers"] = SENT,
    ["access-control-max-age"] = "600",
  }, "")
end

function envoy_on_response(handle)
  local asked = handle:streamInfo():dynamicMetadata():get("routerdc.cors")
  if not asked then return end
  local headers = handle:headers()
  headers:replace("access-control-allow-origin", asked.origin)
  headers:replace("access-control-expose-headers", SEEN)
  headers:add("vary", "origin")
end
