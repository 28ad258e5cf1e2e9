--- What `ipmmap watch` remembers: for each scalar its text, the time of its last change and its
-- last values; and the rate of commits.
local new_tracker = require "ipmmap_cli.tracker"
local value = require "ipmmap_cli.value"

local SAMPLES <const> = 256 -- the number of values kept for each numeric field
local WINDOW <const> = 2 -- seconds over which commits are counted

local History = {}
History.__index = History

local function as_number(type, data)
  if type.kind == "uint64" and data < 0 then return data + 2.0 ^ 64 end
  return data
end

local function remember(row, number)
  if #row.samples == SAMPLES then table.remove(row.samples, 1) end
  row.samples[#row.samples + 1] = number
end

-- Makes the rows of the tracker's scalars. Those that were there before stay as they are.
function History:reshape()
  local known = {}
  for i, row in ipairs(self.rows) do
    known[row.path], self.rows[i] = row, nil
  end
  for i, scalar in ipairs(self.tracker.scalars) do
    self.rows[i] = known[scalar.path] or { path = scalar.path, type = scalar.type,
      samples = value.is_number(scalar.type) and {} or nil }
  end
  self.scalars = self.tracker.scalars
end

--- Adds a state, unless its version is the last one's. Afterwards `rows` has a row for each scalar:
-- path, type, text, data, samples (of a number), and changed (the time of the last change, or nil).
function History:add(data, version, now)
  if version == self.version then return end
  local changed = self.tracker:changed(data)
  if self.tracker.scalars ~= self.scalars then self:reshape() end
  for _, scalar in ipairs(changed) do
    local row = self.rows[scalar.number]
    if row.text then row.changed = now end
    row.text = value.write(scalar.type, scalar.data, scalar.unit)
    row.data = scalar.data
  end
  for _, row in ipairs(self.rows) do
    if row.samples then remember(row, as_number(row.type, row.data)) end
  end
  self.version = version
  self.commits[#self.commits + 1] = { now, version }
end

--- The number of commits per second in the last WINDOW seconds.
function History:rate(now)
  local commits = self.commits
  while #commits > 1 and commits[2][1] <= now - WINDOW do table.remove(commits, 1) end
  local span = math.max(now - math.max(commits[1][1], now - WINDOW), 0.5)
  return (self.version - commits[1][2]) / span
end

--- @param paths the parts that it remembers; none: all
return function(S, paths)
  return setmetatable({
    rows = {}, tracker = new_tracker(S, paths), commits = {}, version = nil,
  }, History)
end
