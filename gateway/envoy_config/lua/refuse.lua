-- Answers with an error, in the form of the API that was called.

local function refuse(handle, status, kind, code, message, more)
  local form = '{"error": {"message": "%s", "type": "%s", "param": null, "code": %s}}'
  if handle:headers():get(":path"):find("^/v1/messages") then -- Anthropic's form
    form = '{"type": "error", "error": {"message": "%s", "type": "%s"}}'
    kind = kind == "server_error" and "api_error" or kind
  end
  local headers = { [":status"] = status, ["content-type"] = "application/json" }
  for name, value in pairs(more or {}) do headers[name] = value end
  handle:respond(headers, string.format(form, message, kind, code))
end
