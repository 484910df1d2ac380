-- Reads the model of a JSON body, as strictly as the gateway does (gateway/openai/bodies/members.py) and as the laxest LLM server would:
-- keys count unescaped, up to a NUL and in any case, because some servers read them so. What two readers could read
-- differently is refused, and so is what names models beside `model`.

-- A Lua string is read as bytes (FFI): of the longest bodies ten times as fast. Positions count from 0; behind the last
-- byte of a Lua string stands a NUL, at which every loop here ends.
local ffi = require("ffi")
local QUOTE, BACKSLASH, COMMA, COLON, OPEN, CLOSE = 34, 92, 44, 58, 123, 125
local OTHER_MODELS = { models = true, fallbacks = true }
local ESCAPES = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

-- What a byte outside strings is: 0 no JSON (a comment, another kind of quote, the end), 1 plain, 2 opens, 3 closes,
-- 4 a quote. Numbers, not names, in the loop over a long body: LuaJIT makes it three times as fast.
local KIND = ffi.new("uint8_t[256]")
for c in ("0123456789+-.eEtruefalsn,: \t\r\n"):gmatch(".") do KIND[c:byte()] = 1 end
KIND[91], KIND[123], KIND[93], KIND[125], KIND[34] = 2, 2, 3, 3, 4

local function skip_space(bytes, at)
  while bytes[at] == 32 or bytes[at] == 9 or bytes[at] == 10 or bytes[at] == 13 do at = at + 1 end
  return at
end

-- Position of the quote that ends the string that begins at `open`; `size` where none does.
local function string_end(bytes, size, open)
  local at = open + 1
  while at < size and bytes[at] ~= QUOTE do
    if bytes[at] == BACKSLASH then at = at + 1 end
    at = at + 1
  end
  return math.min(at, size)
end

-- Position of the bracket that closes the one at `at`; `size` where none does.
local function nested_end(bytes, size, at)
  local depth = 0
  while at < size do
    local kind = KIND[bytes[at]]
    if kind == 4 then
      at = string_end(bytes, size, at)
    elseif kind == 2 then
      depth = depth + 1
    elseif kind == 3 then
      depth = depth - 1
      if depth == 0 then return at end
    elseif kind == 0 then
      return size
    end
    at = at + 1
  end
  return size
end

-- Position of the last byte of the value that begins at `at`; `size` where it is none.
local function value_end(json, bytes, size, at)
  local kind = KIND[bytes[at]]
  if kind == 4 then return string_end(bytes, size, at) end
  if kind == 2 then return nested_end(bytes, size, at) end
  local word = json:match("^[%w%.%+%-]+", at + 1)
  local known = word == "true" or word == "false" or word == "null"
  if known or (word and word:find("^%-?%d+%.?%d*[eE]?[%+%-]?%d*$")) then return at + #word - 1 end
  return size
end

local function utf8(code)
  if code < 0x80 then return string.char(code) end
  if code < 0x800 then return string.char(0xC0 + math.floor(code / 64), 0x80 + code % 64) end
  if code < 0x10000 then
    return string.char(0xE0 + math.floor(code / 4096), 0x80 + math.floor(code / 64) % 64, 0x80 + code % 64)
  end
  local rest = code % 4096
  return string.char(0xF0 + math.floor(code / 262144), 0x80 + math.floor(code / 4096) % 64,
    0x80 + math.floor(rest / 64), 0x80 + rest % 64)
end

-- Two halves of a character above U+FFFF, each as three bytes, are the character.
local function joined(high_a, high_b, low_a, low_b)
  local high = (high_a:byte() % 64) * 64 + high_b:byte() % 64
  local low = (low_a:byte() % 64) * 64 + low_b:byte() % 64
  return utf8(0x10000 + (0xD000 + high - 0xD800) * 1024 + (0xD000 + low - 0xDC00))
end

local function unescaped(text)
  text = text:gsub("\\(.)(%x?%x?%x?%x?)", function(escape, digits)
    if escape == "u" and #digits == 4 then return utf8(tonumber(digits, 16)) end
    return (ESCAPES[escape] or escape) .. digits
  end)
  return (text:gsub("\237([\160-\175])([\128-\191])\237([\176-\191])([\128-\191])", joined))
end

-- What some LLM server takes a key for. JSON readers in Go take the long s and the sign of Kelvin for letters, too.
local function may_be_read_as(key)
  return (key:match("^%Z*"):gsub("\197\191", "s"):gsub("\226\132\170", "k"):lower())
end

-- The model's name, and where the values of `model` and of the keys in `wanted` stand that are there: from the first byte,
-- counted from 0, to the last, not included. nil and what is wrong, if something is.
local function read_model(json, wanted)
  local bytes, size = ffi.cast("const uint8_t*", json), #json
  local at, name, spans = skip_space(bytes, 0), nil, {}
  if bytes[at] ~= OPEN then return nil, "body: not a JSON object" end
  repeat
    at = skip_space(bytes, at + 1)
    local close = bytes[at] == QUOTE and string_end(bytes, size, at) or size
    local colon = close < size and skip_space(bytes, close + 1) or size
    if bytes[colon] ~= COLON then return nil, "body: not a JSON object with a model" end
    local key, value = unescaped(json:sub(at + 2, close)), skip_space(bytes, colon + 1)
    local stop = value_end(json, bytes, size, value)
    if stop == size then return nil, "body: not a JSON object" end
    local read_as = may_be_read_as(key)
    if OTHER_MODELS[read_as] then
      return nil, read_as .. ": names further models; leave it out: the router tries other LLMs of its pool"
    end
    local what = read_as == "model" and read_as or (wanted[key] and key)
    if what then
      if spans[what] then return nil, what .. ": is there twice, and which of the two counts depends on who reads it; send one" end
      spans[what] = { first = value, last = stop + 1 }
    end
    if what == "model" then
      name = key == "model" and bytes[value] == QUOTE and unescaped(json:sub(value + 2, stop)) or ""
    end
    at = skip_space(bytes, stop + 1)
  until bytes[at] ~= COMMA
  if bytes[at] ~= CLOSE or skip_space(bytes, at + 1) < size then return nil, "body: not a JSON object" end
  if not name or name == "" then return nil, "model: is required: the name of a model, a string" end
  return name, spans
end
