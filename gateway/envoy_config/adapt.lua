-- Before a request leaves for an endpoint: gives it the endpoint's base path and model name. The gateway has written the
-- first candidate's model into the body, so the body is touched only for another candidate, or without a gateway.
-- Filters in front have left both in headers. Retries see what the attempt before has done to the headers (not to the
-- body), hence the copy of path and length.

function envoy_on_request(handle)
  local headers = handle:headers()
  local model, base_path = headers:get("x-routerdc-model"), headers:get("x-routerdc-base-path")
  headers:remove("x-routerdc-model")
  headers:remove("x-routerdc-base-path")

  local metadata = handle:streamInfo():dynamicMetadata()
  if not metadata:get("routerdc.request") then
    metadata:set("routerdc.request", "path", headers:get(":path"))
    metadata:set("routerdc.request", "length", headers:get("content-length") or "")
  end
  local request = metadata:get("routerdc.request")
  headers:replace(":path", base_path:gsub("/$", "") .. request.path:sub(#"/v1" + 1))
  if request.length ~= "" then headers:replace("content-length", request.length) end

  local routed = metadata:get("routerdc")
  if routed and routed.model == model then return end
  local body = handle:body() -- waits; what was taken from the handle before is not valid afterwards
  local json = body and body:getBytes(0, body:length()) or ""
  local from, to = model_span(json)
  if not from then return end
  local changed = json:sub(1, from) .. model:gsub('[\\"]', "\\%0") .. json:sub(to)
  body:setBytes(changed)
  handle:headers():replace("content-length", tostring(#changed))
end
