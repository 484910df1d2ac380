-- Which clusters rest, as far as this worker thread of Envoy knows: until when, and whether their server asked for it.
-- Those that rest are left out of a request's candidates. Where all rest, who only failed is tried all the same, and what
-- a server asked for is kept: the caller is told when to come back.

local resting = {}

local function remaining(cluster, now)
  local rest = resting[cluster]
  if rest and rest.till <= now then
    resting[cluster] = nil
    return nil
  end
  return rest and rest.till - now, rest and rest.asked_for
end

-- The groups that Envoy has. A gateway may know others for a moment, before or after Envoy does.
local function known(groups, clusters)
  local found = {}
  for _, group in ipairs(groups) do
    if clusters[group.name] then found[#found + 1] = group end
  end
  return found
end

-- The groups that may be tried, or nil and for how many seconds none may.
local function awake(groups, now)
  local fit, tired, soonest = {}, {}, math.huge
  for _, group in ipairs(groups) do
    local seconds, asked_for = remaining(group.name, now)
    if not seconds then
      fit[#fit + 1] = group
    elseif not asked_for then
      tired[#tired + 1] = group
    else
      soonest = math.min(soonest, seconds)
    end
  end
  if #fit > 0 then return fit end
  if #tired > 0 then return tired end
  return nil, math.ceil(soonest)
end

local function remember(rests, now)
  for cluster, rest in pairs(rests) do
    resting[cluster] = { till = now + rest.seconds, asked_for = rest.asked_for }
  end
end
