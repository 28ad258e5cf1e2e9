--- What `ipmmap watch` remembers: for each scalar its text, the time of its last change and its
-- last values; and the rate of commits.
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

-- Calls visit(row, type, data) for each row, in order.
function History:each(data, visit)
  local number = 0
  local function take(path, type, scalar)
    if self.is_shown[path] == nil then
      self.is_shown[path] = value.is_chosen(path, self.chosen)
    end
    if not self.is_shown[path] then return end
    number = number + 1
    local row = self.rows[number]
    if not row then
      row = { path = path, type = type, samples = {} }
      self.rows[number] = row
    end
    visit(row, type, scalar)
  end
  for _, field in ipairs(self.fields) do
    value.walk(field.type, data[field.name], field.name, take)
  end
end

--- Adds a snapshot. Afterwards `rows` has a row for each scalar: path, type, text, samples, and
-- changed (the time of the last change, or nil).
function History:add(data, version, now)
  self:each(data, function(row, type, scalar)
    local text = value.write(type, scalar)
    if row.text ~= text then
      if row.text then row.changed = now end
      row.text = text
    end
    if value.is_number(type) then remember(row, as_number(type, scalar)) end
  end)
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

return function(type, chosen)
  return setmetatable({
    fields = value.fields_in_order(type), chosen = chosen, is_shown = {}, rows = {}, commits = {},
    version = 0,
  }, History)
end
