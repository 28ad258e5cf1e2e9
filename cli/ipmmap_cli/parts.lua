--- The parts of a struct that the arguments PATH name. An index can be a wildcard: `motors[*].rpm`
-- names every motor's field, `motors[2..4].rpm` those of three motors.
local failure = require "ipmmap_cli.failure"
local json = require "ipmmap_cli.json"
local types = require "ipmmap_cli.types"
local value = require "ipmmap_cli.value"

local parts = {}

-- Wildcards ---------------------------------------------------------------------------------------

local INDEX <const> = "()%[([^%[%]]*[*.][^%[%]]*)%]()" -- an index that is not a plain number

--- Whether a path has a wildcard.
function parts.is_pattern(path) return path:find(INDEX) ~= nil end

-- Splits a pattern into the texts around its wildcards and the wildcards. A wildcard is { first,
-- last }; without `last` it means all elements.
local function split(S, pattern)
  local texts, wildcards, at = {}, {}, 1
  for start, inside, after in pattern:gmatch(INDEX) do
    local first, last = inside:match("^(%d+)%.%.(%d+)$")
    first, last = math.tointeger(tonumber(first or 1)), math.tointeger(tonumber(last))
    if inside ~= "*" and not (first and last) then
      failure.raise("usage", "%s: '[%s]' is neither '[*]' nor like '[2..4]', in '%s'", S.name,
        inside, pattern)
    elseif last and first > last then
      failure.raise("usage", "%s: '[%s]' matches no element, in '%s'", S.name, inside, pattern)
    end
    texts[#texts + 1] = pattern:sub(at, start - 1)
    wildcards[#wildcards + 1] = { first, last }
    at = after
  end
  texts[#texts + 1] = pattern:sub(at)
  return texts, wildcards
end

-- Ends the command if the pattern leads nowhere with the wildcards' first or last indices.
local function check(S, pattern, texts, wildcards)
  for which = 1, 2 do
    local path = texts[1]
    for i, wildcard in ipairs(wildcards) do
      path = ("%s[%d]%s"):format(path, wildcard[which] or wildcard[1], texts[i + 1])
    end
    local ok, problem = pcall(failure.of_user, S.offsetof, S, path)
    if not ok and type(problem) == "table" then
      local from, to = problem.message:find("'" .. path .. "'", 1, true)
      if from then
        problem.message = problem.message:sub(1, from) .. pattern .. problem.message:sub(to)
      end
    end
    if not ok then error(problem, 0) end
  end
end

-- The keys that lead to a path: "points[2].x" has "points", 2, "x".
local function keys_of(path)
  local keys = {}
  for name, index in path:gmatch("([%a_]?[%w_]*)%[?(%d*)%]?") do
    if name ~= "" then keys[#keys + 1] = name end
    if index ~= "" then keys[#keys + 1] = math.tointeger(tonumber(index)) end
  end
  return keys
end

-- The number of elements at a path: of a list those in use. Without a value, a list's capacity.
local function count_at(S, path, whole)
  local type = value.type_at(S, path)
  if type.kind == "optional" then type = type.element end
  if not whole or not types.is_dynamic(types.of(S)) then return type.count end
  local data = parts.read(whole, keys_of(path))
  return data == nil and 0 or value.count(type, data)
end

-- The paths that a pattern matches, in the order of the struct.
local function expand(S, pattern, whole)
  local texts, wildcards = split(S, pattern)
  check(S, pattern, texts, wildcards)
  local paths = { texts[1] }
  for i, wildcard in ipairs(wildcards) do
    local longer = {}
    for _, path in ipairs(paths) do
      for index = wildcard[1], wildcard[2] or count_at(S, path, whole) do
        longer[#longer + 1] = ("%s[%d]%s"):format(path, index, texts[i + 1])
      end
    end
    paths = longer
  end
  return paths
end

-- Parts -------------------------------------------------------------------------------------------

--- The parts that the arguments name, in their order: a list of { path, type, keys, unit }. Ends
-- the command if an argument names nothing.
-- @param whole a value of the struct, in which a wildcard matches the elements in use of a list;
-- without it, a wildcard matches all for which a list has room
function parts.of(S, arguments, whole)
  local list = {}
  for _, argument in ipairs(arguments) do
    for _, path in ipairs(expand(S, argument, whole)) do
      local type, unit = value.type_at(S, path)
      list[#list + 1] = { path = path, type = type, keys = keys_of(path), unit = unit }
    end
  end
  return list
end

--- The part of a value that the first `count` keys lead to; all of them by default.
-- @return the part; nil if an optional part on the way holds nothing; nil and true if a list on the
-- way has fewer elements
function parts.read(whole, keys, count)
  for i = 1, count or #keys do
    local key = keys[i]
    if whole == nil then return nil end
    if math.type(key) and key > #whole then return nil, true end
    whole = whole[key]
  end
  return whole
end

--- One step of a part's keys.
-- @return the type of what the key leads to, and its offset, if the given type is at an offset
function parts.step(type, at, key)
  if type.kind == "optional" then type, at = type.element, at + type.inner end
  if math.type(key) then
    local first = type.kind == "list" and type.inner or 0
    return type.element, at + first + (key - 1) * type.element.size
  end
  local field = value.field(type, key)
  return field.type, at + field.offset
end

--- What directly holds the part that the keys lead to. It is made if it is not there: lists on the
-- way get more elements, and optional parts hold something then.
function parts.reach(whole, keys)
  for i = 1, #keys - 1 do
    local key = keys[i]
    if whole[key] == nil and math.type(key) then
      for index = #whole + 1, key do whole[index] = {} end
    elseif whole[key] == nil then
      whole[key] = {}
    end
    whole = whole[key]
  end
  return whole
end

--- The value of a part in a value of the struct. Ends the command if the part is in an element that
-- its list does not have.
function parts.value(S, whole, part)
  local data, is_beyond = parts.read(whole, part.keys)
  if is_beyond then
    failure.raise("usage", "%s.%s: the list has fewer elements", S.name, part.path)
  end
  return data
end

--- A JSON object of the parts: a value for each path.
-- @param read a function of a part that returns its value
function parts.for_json(list, read)
  local object, known = {}, {}
  for _, part in ipairs(list) do
    if not known[part.path] then
      known[part.path] = true
      object[#object + 1] = { part.path, value.for_json(part.type, read(part)) }
    end
  end
  return json.object(object)
end

local COUNT <const> = { kind = "uint32", name = "uint32" }

-- What a value of the type holds; without a value, what it can hold.
local function held_by(type, data, has_value)
  if has_value then return value.held(type, data) end
  return type.kind == "optional" and not value.is_scalar(type.element) and type.element or type
end

-- Calls visit(path, type, unit) for each scalar in a value, and before those of a list with "#" and
-- its path. `data` is read only where the type is dynamic. If `is_any`, there is no value, and this
-- visits all scalars that a value can have.
local function walk(type, data, path, visit, unit, is_any)
  local reads = not is_any and types.is_dynamic(type)
  local held = held_by(type, data, reads)
  if type.kind == "list" then visit("#" .. path, COUNT) end
  if held.kind == "struct" then
    for _, field in ipairs(held.fields) do
      walk(field.type, reads and data[field.name], path .. "." .. field.name, visit, field.unit,
        is_any)
    end
  elseif held.element and held.kind ~= "optional" then
    for i = 1, reads and value.count(held, data) or held.count do
      walk(held.element, reads and data[i], ("%s[%d]"):format(path, i), visit, unit, is_any)
    end
  else
    visit(path, type, unit)
  end
end

--- The scalars in the parts that the arguments name, each once, in their order: a list of { path,
-- type, keys, unit, is_missing }. Without an argument, all scalars, those of the header last. A
-- list has the number of its elements in use, as a scalar whose path is that of the list after "#".
-- @param whole a value of the struct, which decides how many elements lists have; without it, the
-- scalars of all for which the lists have room
function parts.scalars(S, arguments, whole)
  local list, known, is_any = {}, {}, whole == nil
  local reads = not is_any and types.is_dynamic(types.of(S))
  local function add(path, type, unit, is_missing)
    if known[path] then return end
    known[path] = true
    list[#list + 1] = {
      path = path, type = type, unit = unit, keys = keys_of(path), is_missing = is_missing,
    }
  end
  if #arguments == 0 then
    for _, field in ipairs(value.fields_in_order(types.of(S))) do
      walk(field.type, reads and whole[field.name], field.name, add, field.unit, is_any)
    end
  end
  for _, part in ipairs(parts.of(S, arguments, whole)) do
    local data = reads and parts.read(whole, part.keys)
    if data == nil then
      add(part.path, part.type, nil, true)
    else
      walk(part.type, data, part.path, add, part.unit, is_any)
    end
  end
  return list
end

--- What decides which scalars a value has, as text: the numbers of elements of its lists, and which
-- optional parts hold something. It is always "" if the type has none.
function parts.shape(type, data)
  local texts = {}
  local function add(part, part_data)
    if not types.is_dynamic(part) then return end
    if types.is_wrapper(part) then
      texts[#texts + 1] = part.kind == "list" and #part_data or part_data == nil and "-" or "+"
    end
    local held = value.held(part, part_data)
    for _, field in ipairs(held.fields or {}) do add(field.type, part_data[field.name]) end
    if held.element and types.is_dynamic(held.element) then
      for i = 1, value.count(held, part_data) do add(held.element, part_data[i]) end
    end
  end
  add(type, data)
  return table.concat(texts, " ")
end

--- The value of a scalar in a value of the struct; nil if it is not there.
function parts.scalar(whole, scalar)
  local data = parts.read(whole, scalar.keys)
  return scalar.type == COUNT and data ~= nil and #data or data
end

--- The value of a scalar in what directly holds it.
function parts.scalar_in(container, scalar)
  if scalar.is_missing then return nil end
  local data = container[scalar.keys[#scalar.keys]]
  return scalar.type == COUNT and #data or data
end

return parts
