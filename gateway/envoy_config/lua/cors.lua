-- CORS: lets web pages of the operator's origins ask from a browser. Envoy's own filter passes over routes that Envoy
-- answers itself, and so over the list of models.
-- Rendered before this: ORIGINS = { origin = true } ("*": every one), METHODS, SENT, SEEN.

function envoy_on_request(handle)
  local headers = handle:headers()
  local origin = headers:get("origin")
  if not origin or not (ORIGINS[origin] or ORIGINS["*"]) then return end
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
