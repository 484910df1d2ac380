-- Runs for every attempt, before a request leaves for an endpoint and when the answer comes back. Outwards it lets only
-- known headers pass and gives the request the endpoint's own path and model; inwards it removes what only we may say.
-- Rendered before this: CLUSTER, MODEL, MODEL_JSON, PARAMETERS = { name = JSON }, BASE_PATH, LLM, OUTWARD = { header = true },
-- OUTWARD_QUERY (of a caller's query, the one part that passes),
-- INWARD_REMOVED = { prefix, ... }, ALONE (whether the cluster is one server), HOST_HEADER (has the server's address where
-- it is not), RETRIED, LACKING, MISPLACED and KEY_FAULTS = { status = true }, LACKING_WORDS = { text }, KEY_REST_SECONDS.
--
-- What is to be replaced in the body is in the metadata "routerdc": whoever has read the body (the gateway, or
-- fail_open.lua in its place) has written it there, so that nobody reads it a second time, and differently.

local function remove_all(headers, is_removed)
  local names = {}
  for name in pairs(headers) do
    if is_removed(name) then names[#names + 1] = name end
  end
  for _, name in ipairs(names) do headers:remove(name) end
end

-- The path that the endpoint is asked at. A query of the caller's could name another model, version or key.
local function outward_path(path)
  local bare, query = path:match("^/v1([^?]*)%??(.*)$")
  local passes = ("&" .. query .. "&"):find("&" .. OUTWARD_QUERY .. "&", 1, true)
  return BASE_PATH .. bare .. (passes and "?" .. OUTWARD_QUERY or "")
end

-- Retries see what the attempt before has done to the headers (not to the body), hence the copy of path and length.
local function restore(headers, metadata)
  if not metadata:get("routerdc.request") then
    metadata:set("routerdc.request", "path", headers:get(":path"))
    metadata:set("routerdc.request", "length", headers:get("content-length") or "")
  end
  local request = metadata:get("routerdc.request")
  metadata:set("routerdc.request", "attempt", (request.attempt or 0) + 1)
  headers:replace(":path", outward_path(request.path))
  if request.length ~= "" then headers:replace("content-length", request.length) end
end

-- What is to be replaced in a body that fail_open.lua has read: the model, and the LLM's own parameters. A parameter that
-- the caller has not sent comes behind the model.
local function edits_at(spans)
  local edits, model = {}, MODEL_JSON
  for name, json in pairs(PARAMETERS) do
    local span = spans[name]
    if span then
      edits[#edits + 1] = { first = span.first, last = span.last, text = json }
    else
      model = model .. ', "' .. name .. '": ' .. json
    end
  end
  edits[#edits + 1] = { first = spans.model.first, last = spans.model.last, text = model }
  table.sort(edits, function(a, b) return a.first < b.first end)
  return edits
end

-- Edits one after the other: "first last length text". Numbers count bytes; a text may hold anything.
local function unpacked(packed)
  local edits, at = {}, 1
  while at <= #packed do
    local first, last, length, text = packed:match("^(%d+) (%d+) (%d+) ()", at)
    edits[#edits + 1] = { first = tonumber(first), last = tonumber(last), text = packed:sub(text, text + length - 1) }
    at = text + length
  end
  return edits
end

-- What is to be replaced in the body for this cluster. The gateway has written the first candidate's model and parameters
-- into it, and says what differs for others. A model that is not this cluster's never leaves, whoever is wrong.
local function edits_of(routed)
  if routed.spans then return edits_at(routed.spans) end
  local edits = unpacked(routed.edits and routed.edits[CLUSTER] or "")
  if #edits == 0 and routed.model ~= MODEL then error("the gateway knows " .. CLUSTER .. " by another model") end
  return edits
end

local function adapt(handle)
  local headers, metadata = handle:headers(), handle:streamInfo():dynamicMetadata()
  restore(headers, metadata)
  remove_all(headers, function(name) return name:sub(1, 1) ~= ":" and not OUTWARD[name] end)
  headers:replace("content-type", "application/json")

  local edits = edits_of(metadata:get("routerdc"))
  if #edits == 0 then return end
  local body = handle:body() -- waits; what was taken from the handle before is not valid afterwards
  local pieces, at = {}, 0
  for _, edit in ipairs(edits) do
    pieces[#pieces + 1] = body:getBytes(at, edit.first - at)
    pieces[#pieces + 1] = edit.text
    at = edit.last
  end
  pieces[#pieces + 1] = body:getBytes(at, body:length() - at)
  local changed = table.concat(pieces)
  body:setBytes(changed)
  handle:headers():replace("content-length", tostring(#changed))
end

-- Envoy would let a request go on whose filter has failed: with the caller's headers, or another LLM's model.
function envoy_on_request(handle)
  local done, problem = pcall(adapt, handle)
  if done then return end
  handle:logErr(problem)
  handle:respond({ [":status"] = "500", ["content-type"] = "application/json" },
    '{"error": {"message": "internal error in the proxy; its log has the details", "type": "server_error", '
    .. '"param": null, "code": "internal_error"}}')
end

-- Nobody asked for another protocol. As it is, the client would wait for an answer that never ends.
local function refuse_upgrade(headers)
  headers:replace(":status", "502")
  headers:remove("upgrade")
  headers:replace("content-length", "0")
end

-- Whether any attempt is left that goes to another cluster.
local function others_left(metadata)
  local groups = metadata:get("routerdc.candidates").priority_groups
  for i = metadata:get("routerdc.request").attempt + 1, #groups do
    if groups[i].name ~= CLUSTER then return true end
  end
  return false
end

-- A failure has the next attempt made. A server that asks for it rests for as long, and its cluster where it is alone in it;
-- where our key has failed, the cluster rests. A server that asked to be left alone is not asked again.
local function on_failure(headers, metadata, status, host)
  local asked_for = retry_after_seconds(headers, os.time())
  if asked_for then
    local who = host and host .. " of " .. CLUSTER or CLUSTER
    metadata:set("routerdc.rests", who, { seconds = asked_for, asked_for = true })
  elseif KEY_FAULTS[status] then
    metadata:set("routerdc.rests", CLUSTER, { seconds = KEY_REST_SECONDS, asked_for = false })
  end
  if MISPLACED[status] then metadata:set("routerdc.verdicts", CLUSTER, "refused") end
  if not (asked_for and ALONE) or others_left(metadata) then headers:replace("x-routerdc-retry", "true") end
end

-- Whether an error says that this LLM lacks what the request needs (vision, tools, a longer context). Another candidate
-- may have it. A compressed answer cannot be read here, so it counts as if it did.
local function says_it_lacks_something(handle)
  if handle:headers():get("content-encoding") then return true end
  local body = handle:body() -- waits; what was taken from the handle before is not valid afterwards
  local text = body and body:getBytes(0, math.min(body:length(), 65536)):lower() or ""
  for _, words in ipairs(LACKING_WORDS) do
    if text:find(words, 1, true) then return true end
  end
  return false
end

function envoy_on_response(handle)
  local headers = handle:headers()
  local host = headers:get(HOST_HEADER)
  if headers:get(":status") == "101" then refuse_upgrade(headers) end
  remove_all(headers, function(name)
    for _, prefix in ipairs(INWARD_REMOVED) do
      if name:sub(1, #prefix) == prefix then return true end
    end
    return false
  end)
  headers:replace("x-routerdc-llm", LLM)
  local id = headers:get("x-request-id") -- the caller's, or Envoy's, takes its place
  if id then headers:replace("x-upstream-request-id", id) end
  local status, metadata = headers:get(":status"), handle:streamInfo():dynamicMetadata()
  if host then metadata:set("routerdc.hosts", host .. " of " .. CLUSTER, { host = host, cluster = CLUSTER }) end
  if RETRIED[status] then return on_failure(headers, metadata, status, host) end
  metadata:set("routerdc.verdicts", CLUSTER, "served")
  if LACKING[status] and others_left(metadata) and says_it_lacks_something(handle) then
    handle:headers():replace("x-routerdc-retry", "true")
  end
end
