--- The parts of a struct that the arguments PATH name. An index can be a wildcard: `motors[*].rpm`
-- names every motor's field, `motors[2..4].rpm` those of three motors.
local failure = require "ipmmap_cli.failure"
local json = require "ipmmap_cli.json"
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

-- The paths that a pattern matches, in the order of the struct.
local function expand(S, pattern)
  local texts, wildcards = split(S, pattern)
  check(S, pattern, texts, wildcards)
  local paths = { texts[1] }
  for i, wildcard in ipairs(wildcards) do
    local last, longer = wildcard[2] or value.type_at(S, paths[1]).count, {}
    for _, path in ipairs(paths) do
      for index = wildcard[1], last do
        longer[#longer + 1] = ("%s[%d]%s"):format(path, index, texts[i + 1])
      end
    end
    paths = longer
  end
  return paths
end

-- Parts -------------------------------------------------------------------------------------------

-- The keys that lead to a path: "points[2].x" has "points", 2, "x".
local function keys_of(path)
  local keys = {}
  for name, index in path:gmatch("([%a_]?[%w_]*)%[?(%d*)%]?") do
    if name ~= "" then keys[#keys + 1] = name end
    if index ~= "" then keys[#keys + 1] = math.tointeger(tonumber(index)) end
  end
  return keys
end

--- The parts that the arguments name, in their order: a list of { path, type, keys, unit }. Ends
-- the command if an argument names nothing.
function parts.of(S, arguments)
  local list = {}
  for _, argument in ipairs(arguments) do
    for _, path in ipairs(expand(S, argument)) do
      local type, unit = value.type_at(S, path)
      list[#list + 1] = { path = path, type = type, keys = keys_of(path), unit = unit }
    end
  end
  return list
end

--- The part of a value that the first `count` keys lead to; all of them by default.
function parts.read(whole, keys, count)
  for i = 1, count or #keys do whole = whole[keys[i]] end
  return whole
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

-- Calls visit(path, type) for each scalar in a type.
local function walk(type, path, visit)
  if type.kind == "struct" then
    for _, field in ipairs(type.fields) do walk(field.type, path .. "." .. field.name, visit) end
  elseif type.kind == "array" then
    for i = 1, type.count do walk(type.element, ("%s[%d]"):format(path, i), visit) end
  else
    visit(path, type)
  end
end

--- The scalars in the parts that the arguments name, each once, in their order: a list of { path,
-- type, keys }. Without an argument, all scalars, those of the header last.
function parts.scalars(S, arguments)
  local list, known = {}, {}
  local function add(path, type)
    if known[path] then return end
    known[path] = true
    list[#list + 1] = { path = path, type = type, keys = keys_of(path) }
  end
  if #arguments == 0 then
    for _, field in ipairs(value.fields_in_order(S:type())) do walk(field.type, field.name, add) end
  end
  for _, part in ipairs(parts.of(S, arguments)) do walk(part.type, part.path, add) end
  return list
end

return parts
