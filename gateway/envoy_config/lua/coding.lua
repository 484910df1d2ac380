-- Runs after the external processor and before the body is inflated: where no gateway has read the body, other content
-- codings than the gateway's are refused as the gateway refuses them, and gzip's old name is replaced by its own.
-- Rendered before this: CODINGS = { name = Envoy's name }, TOLD (what the gateway says).

function envoy_on_request(handle)
  local headers = handle:headers()
  local coding = headers:get("content-encoding")
  if not coding then return end
  local name = coding:lower():match("^%s*(.-)%s*$")
  if name == "" or name == "identity" then return headers:remove("content-encoding") end
  if CODINGS[name] then return headers:replace("content-encoding", CODINGS[name]) end
  refuse(handle, "415", "invalid_request_error", "null", TOLD)
end
