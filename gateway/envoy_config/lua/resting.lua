-- Who rests, as far as this worker thread of Envoy knows: until when, and whether a server asked for it. A cluster may
-- rest, one of its hosts (HOST of CLUSTER), or a cluster for one caller (CLUSTER for CALLER). Those that rest are left out
-- of a request's candidates. Where all rest, who only failed is tried all the same, and what a server asked for is kept:
-- the caller is told when to come back.
-- Rendered before this: MAX_REFUSALS, REFUSAL_REST_SECONDS.

local FORGOTTEN_SECONDS, MAX_CALLERS, WITNESSES, SWEEP_SECONDS = 600, 1000, 2, 60
local resting, next_sweep = {}, 0
local hosts = {} -- by cluster, the addresses that have answered, and when they did last
local refusals = {} -- by cluster, since its last success: how often it refused each caller, and how many callers there are

local function remaining(who, now)
  local rest = resting[who]
  if rest and rest.till <= now then
    resting[who] = nil
    return nil
  end
  return rest and rest.till - now, rest and rest.asked_for
end

-- A host of the cluster that does not rest, by chance; nil where none is known. And how many rest, for how long at least.
local function awake_host(cluster, now)
  local fit, asleep, soonest = {}, 0, math.huge
  for host, seen in pairs(hosts[cluster] or {}) do
    local seconds = remaining(host .. " of " .. cluster, now)
    if seconds then
      asleep, soonest = asleep + 1, math.min(soonest, seconds)
    elseif now - seen > FORGOTTEN_SECONDS then
      hosts[cluster][host] = nil
    else
      fit[#fit + 1] = host
    end
  end
  return #fit > 0 and fit[math.random(#fit)] or nil, asleep, soonest
end

-- For how many seconds a cluster of so many hosts rests, and whether that was asked for; nil: it does not.
local function cluster_rest(cluster, size, caller, now)
  local seconds, asked_for = remaining(cluster, now)
  if seconds then return seconds, asked_for end
  seconds = remaining(cluster .. " for " .. caller, now)
  if seconds then return seconds, false end
  local host, asleep, soonest = awake_host(cluster, now)
  if not host and size > 1 and asleep >= size then return soonest, true end
  return nil
end

-- The host that a request is to go to, where another of its cluster rests.
local function preferred_host(cluster, now)
  local host, asleep = awake_host(cluster, now)
  return asleep > 0 and host or nil
end

-- The groups that Envoy has. A gateway may know others for a moment, before or after Envoy does.
local function known(groups, clusters)
  local found = {}
  for _, group in ipairs(groups) do
    if clusters[group.name] then found[#found + 1] = group end
  end
  return found
end

-- The groups that may be tried, or nil and for how many seconds none may. `sizes`: how many hosts each cluster has (numbers
-- of a route's metadata arrive as text).
local function awake(groups, sizes, caller, now)
  local fit, tired, soonest = {}, {}, math.huge
  for _, group in ipairs(groups) do
    local seconds, asked_for = cluster_rest(group.name, tonumber(sizes[group.name]), caller, now)
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

-- Callers come and do not come back, so nobody asks about most of them again: once a minute those whose rest is over go.
local function let_rest(who, seconds, asked_for, now)
  resting[who] = { till = now + seconds, asked_for = asked_for }
  if now < next_sweep then return end
  next_sweep = now + SWEEP_SECONDS
  for one in pairs(resting) do remaining(one, now) end
end

local function remember(rests, now)
  for who, rest in pairs(rests) do let_rest(who, rest.seconds, rest.asked_for, now) end
end

local function remember_hosts(seen, now)
  for _, one in pairs(seen) do
    hosts[one.cluster] = hosts[one.cluster] or {}
    hosts[one.cluster][one.host] = now
  end
end

-- A prompt may earn a 403, the id of a stored answer a 404. So a cluster that refuses rests for a caller whom it has refused
-- again and again, and for everybody once two callers are in that state; a success, of whichever caller, ends all doubt.
local function judge(cluster, was_refused, caller, now)
  if not was_refused then
    refusals[cluster] = nil
    return
  end
  local of = refusals[cluster] or { counts = {}, callers = 0, witnesses = 0 }
  refusals[cluster] = of
  if not of.counts[caller] then
    if of.callers >= MAX_CALLERS then return end
    of.counts[caller], of.callers = 0, of.callers + 1
  end
  of.counts[caller] = of.counts[caller] + 1
  if of.counts[caller] == MAX_REFUSALS then of.witnesses = of.witnesses + 1 end
  if of.counts[caller] < MAX_REFUSALS then return end
  let_rest(cluster .. " for " .. caller, REFUSAL_REST_SECONDS, false, now)
  if of.witnesses >= WITNESSES then let_rest(cluster, REFUSAL_REST_SECONDS, false, now) end
end
