-- For how many seconds an answer says that its server is not to be asked again; nil where it says nothing.
-- Rendered before this: MAX_REST_SECONDS.

local MONTHS = {
  Jan = 1, Feb = 2, Mar = 3, Apr = 4, May = 5, Jun = 6, Jul = 7, Aug = 8, Sep = 9, Oct = 10, Nov = 11, Dec = 12,
}

-- Seconds until an HTTP date ("Sun, 06 Nov 1994 08:49:37 GMT"). os.time reads local time, hence the detour over now.
local function seconds_until(date, now)
  local day, month, year, hour, minute, second = date:match("(%d+) (%a+) (%d+) (%d+):(%d+):(%d+) GMT")
  if not MONTHS[month] then return nil end
  local utc = os.date("!*t", now)
  utc.isdst = false
  local then_ = { year = year, month = MONTHS[month], day = day, hour = hour, min = minute, sec = second, isdst = false }
  return os.time(then_) - os.time(utc)
end

-- A header that is missing is no value at all, which `tonumber` would not take: hence the variables.
local function retry_after_seconds(headers, now)
  local told, milliseconds = headers:get("retry-after"), headers:get("retry-after-ms")
  local seconds = (tonumber(milliseconds) or 0) / 1000
  if seconds <= 0 and told then seconds = tonumber(told) or seconds_until(told, now) or 0 end
  if not (seconds > 0) then return nil end -- not a number is not above 0 either
  return math.min(seconds, MAX_REST_SECONDS)
end
