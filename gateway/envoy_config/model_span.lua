-- First and last position of the value (a string, quotes included) of the top-level key "model" in a JSON object.
-- nil where there is none. The text is JSON: somebody else has checked or will refuse it.

local BACKSLASH = 92

-- Position of the quote that ends the string which begins at `open`.
local function string_end(json, open)
  local at = open
  while true do
    at = json:find('"', at + 1, true)
    if at == nil then return nil end
    local before = at - 1
    while json:byte(before) == BACKSLASH do before = before - 1 end
    if (at - 1 - before) % 2 == 0 then return at end
  end
end

local function model_span(json)
  local depth, at = 0, 1
  while true do
    at = json:find('["{}%[%]]', at)
    if at == nil then return nil end
    local mark = json:sub(at, at)
    if mark == '"' then
      local close = string_end(json, at)
      if close == nil then return nil end
      local value = json:match('^%s*:%s*()', close + 1)
      if value and depth == 1 and json:sub(at, close) == '"model"' then
        local last = json:sub(value, value) == '"' and string_end(json, value)
        if last then return value, last end
        return nil
      end
      at = close
    else
      depth = depth + ((mark == "{" or mark == "[") and 1 or -1)
    end
    at = at + 1
  end
end
