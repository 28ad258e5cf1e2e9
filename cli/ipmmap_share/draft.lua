--- The changes of an edit, made in a copy of the struct: which bytes the home must still have, and
-- which it stores.
local ipmmap = require "ipmmap"
local patch = require "ipmmap_share.patch"
local place = require "ipmmap_share.place"

local HEADER_SIZE <const> = ipmmap.base.size

local Draft = {}
Draft.__index = Draft

local draft = {}

--- Begins an edit.
-- @param S the Struct
-- @param value a copy of the struct, which belongs to the draft from now on
function draft.new(S, value)
  return setmetatable({
    S = S, value = value, before = ipmmap.bytes(value), seen = {}, stored = {},
  }, Draft)
end

-- Raises an error at the line of the program that called this library.
local function blame(message)
  local level = 2
  local info = debug.getinfo(level, "Sl")
  while info and (info.what == "C" or info.source:find("ipmmap_share/%w+%.lua$")) do
    level = level + 1
    info = debug.getinfo(level, "Sl")
  end
  error(info and ("%s:%d: %s"):format(info.short_src, info.currentline, message) or message, 0)
end

local function refuse(format, ...) blame(format:format(...)) end

-- Calls fn, and raises an error in it at the line of the program.
local function checked(fn, ...)
  local results = table.pack(pcall(fn, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  local message = results[2]
  if type(message) ~= "string" then error(message, 0) end
  blame((message:gsub("^[^:]+:%d+: ", "")))
end

local function append(list, more) table.move(more, 1, #more, #list + 1, list) end

-- Notes that the part decides about the edit: the home must have it as it is here.
local function see(self, found)
  append(self.seen, found.guards)
  self.seen[#self.seen + 1] = { offset = found.offset, size = found.type.size }
end

local function find(self, path)
  local found = checked(place.find, self.S, path)
  return found
end

local function assign(self, found, part)
  if found.offset < HEADER_SIZE then
    refuse("%s.%s: set only by creation, touch and clear", self.S.name, found.path)
  end
  append(self.seen, found.guards)
  checked(place.set, found, self.value, part)
  append(self.stored, place.stored(found, part))
end

--- Reads a part. The edit then depends on it.
function Draft:read(path)
  local found = find(self, path)
  see(self, found)
  return checked(place.get, found, self.value)
end

--- Sets a part, whatever the home has there.
function Draft:write(path, part)
  assign(self, find(self, path), part)
end

--- Sets the fields that a table has, whatever the home has there.
function Draft:set(fields)
  if type(fields) ~= "table" then
    refuse("%s: %s is not a table", self.S.name, tostring(fields))
  end
  for name, part in pairs(fields) do
    if type(name) ~= "string" then refuse("%s: no field '%s'", self.S.name, tostring(name)) end
    assign(self, find(self, name), part)
  end
end

--- Changes a part by a function of its value; the edit depends on that.
-- @return the new value
function Draft:update(path, fn)
  local found = find(self, path)
  see(self, found)
  local part = fn(checked(place.get, found, self.value))
  if part == nil then refuse("%s.%s: the function returned nil", self.S.name, path) end
  assign(self, found, part)
  return checked(place.get, found, self.value)
end

-- The sum in a field of 64 bits, which must not wrap around; any other is checked as it is stored.
local function add_integers(kind, old, n)
  local sum = old + n
  if kind == "uint64" then
    if n >= 0 and math.ult(sum, old) or n < 0 and math.ult(old, sum) then return nil end
  elseif (sum < old) ~= (n < 0) then
    return nil
  end
  return sum
end

--- Adds to a number; the edit depends on the old one.
-- @return the new value
function Draft:add(path, n)
  local type = find(self, path).type
  local is_float = type.kind == "float" or type.kind == "double"
  return self:update(path, function(old)
    if math.type(old) == nil or math.type(n) == nil then
      refuse("%s.%s: %s is not a number to add%s", self.S.name, path,
        math.type(old) and tostring(n) or type.name, math.type(old) and "" or " to")
    end
    if is_float then
      local is_beyond = math.abs(old + n) == math.huge and math.abs(old) ~= math.huge
        and math.abs(n) ~= math.huge
      return not is_beyond and old + n
        or refuse("%s.%s: %s + %s is out of range for %s", self.S.name, path, old, n, type.name)
    end
    local integer = math.tointeger(n)
    if not integer then
      refuse("%s.%s: %s is not an integer to add", self.S.name, path, n)
    end
    return add_integers(type.kind, old, integer)
      or refuse("%s.%s: %d + %d is out of range for %s", self.S.name, path, old, integer,
        type.name)
  end)
end

--- Changes the struct by a function of its copy; the edit depends on all of it.
function Draft:with(fn, ...)
  self.seen[1] = { offset = HEADER_SIZE, size = #self.before - HEADER_SIZE }
  local results = table.pack(fn(self.value, ...))
  local after = ipmmap.bytes(self.value)
  if after:sub(1, HEADER_SIZE) ~= self.before:sub(1, HEADER_SIZE) then
    refuse("%s.header: set only by creation, touch and clear", self.S.name)
  end
  self.difference = patch.diff(self.before, after)
  return table.unpack(results, 1, results.n)
end

local function pack(runs, bytes)
  local list = {}
  for i, one in ipairs(place.joined(runs)) do
    list[i] = { one.offset, bytes:sub(one.offset + 1, one.offset + one.size) }
  end
  return patch.pack(list)
end

--- The patch of what the home must have.
function Draft:expected()
  return pack(self.seen, self.before)
end

--- The patch of what the home stores.
function Draft:changes()
  return self.difference or pack(self.stored, ipmmap.bytes(self.value))
end

return draft
