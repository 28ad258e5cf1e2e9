--- Where the parts of a struct lie, and which bytes an assignment stores.
local place = {}

local described = setmetatable({}, { __mode = "k" })

local function type_of(S)
  described[S] = described[S] or S:type()
  return described[S]
end

local function field_of(type, name)
  for _, field in ipairs(type.fields) do
    if field.name == name then return field end
  end
end

--- A run of bytes: where it begins in the struct, from 0, and how long it is.
local function run(offset, size) return { offset = offset, size = size } end

local COUNT_SIZE <const>, FLAG_SIZE <const> = 4, 1 -- of a list; of an optional field

--- Finds a part of a struct.
-- @param S the Struct
-- @param path such as `"points[3].x"`
-- @return a table: `keys` that lead from a value of the struct to the part, `offset`, `type`, and
-- `guards`: the runs with the counts of lists and the flags of optional fields on the way, which
-- say whether the part is there
-- @raise an error if the path leads to no part of the struct
function place.find(S, path)
  S:offsetof(path)
  local type, offset, at = type_of(S), 0, 1
  local keys, guards = {}, {}
  while at <= #path do
    if type.kind == "optional" then
      guards[#guards + 1] = run(offset, FLAG_SIZE)
      type, offset = type.element, offset + type.inner
    end
    local name, after = path:match("^%.?([%a_][%w_]*)()", at)
    if name then
      local field = field_of(type, name)
      type, offset = field.type, offset + field.offset
      keys[#keys + 1] = name
    else
      local index
      index, after = path:match("^%[(%d+)%]()", at)
      index = math.tointeger(tonumber(index))
      if type.kind == "list" then guards[#guards + 1] = run(offset, COUNT_SIZE) end
      offset = offset + (type.inner or 0) + (index - 1) * type.element.size
      type = type.element
      keys[#keys + 1] = index
    end
    at = after
  end
  return { keys = keys, offset = offset, type = type, guards = guards, path = path, S = S }
end

-- The value that holds the part, and the part's key in it.
local function holder(found, value)
  local path = found.S.name
  for i = 1, #found.keys - 1 do
    local key = found.keys[i]
    value, path = value[key], path .. (math.type(key) and ("[%d]"):format(key) or "." .. key)
    if value == nil then
      error(("%s.%s: %s is absent"):format(found.S.name, found.path, path), 0)
    end
  end
  return value, found.keys[#found.keys]
end

--- The part of a value of the struct.
-- @raise an error if the part is in an optional field that is absent, or beyond the end of a list
function place.get(found, value)
  local inside, key = holder(found, value)
  return inside[key]
end

--- Assigns to the part of a value of the struct.
-- @raise as for an assignment to a view
function place.set(found, value, part)
  local inside, key = holder(found, value)
  inside[key] = part
end

-- Adds the runs that an assignment of `value` to a part stores. A table with names sets the fields
-- of a struct that it has; one with indices other than 1 to n sets elements of an array. All else
-- sets the whole part.
local function add(list, type, offset, value)
  local is_table = _G.type(value) == "table"
  if is_table and type.kind == "struct" and value[1] == nil then
    for _, field in ipairs(type.fields) do
      if value[field.name] ~= nil then
        add(list, field.type, offset + field.offset, value[field.name])
      end
    end
  elseif is_table and type.kind == "array" and value[1] == nil and next(value) then
    for index, element in pairs(value) do
      add(list, type.element, offset + (index - 1) * type.element.size, element)
    end
  else
    list[#list + 1] = run(offset, type.size)
  end
end

--- The runs that an assignment to the part stores.
-- @param value what is assigned, which must have been accepted by `set`
-- @return a list of runs { offset, size }, which may overlap and are in no order
function place.stored(found, value)
  local list = {}
  add(list, found.type, found.offset, value)
  return table.move(found.guards, 1, #found.guards, #list + 1, list)
end

--- The same for an assignment of a table to the whole struct.
function place.all_stored(S, fields)
  local list = {}
  add(list, type_of(S), 0, fields)
  return list
end

--- The runs in order, those that touch or overlap joined.
function place.joined(runs)
  table.sort(runs, function(a, b) return a.offset < b.offset end)
  local list = {}
  for _, one in ipairs(runs) do
    local last = list[#list]
    if last and one.offset <= last.offset + last.size then
      last.size = math.max(last.size, one.offset + one.size - last.offset)
    else
      list[#list + 1] = run(one.offset, one.size)
    end
  end
  return list
end

return place
