--- The canonical bytes of a state: those that the library would store for its values. A host in C
-- may leave bytes after a text's NUL, or a true that is not 1. These bytes mean nothing, and replay
-- refuses them.
local failure = require "ipmmap_cli.failure"
local ipmmap = require "ipmmap"
local log = require "ipmmap_cli.log"
local types = require "ipmmap_cli.types"
local value = require "ipmmap_cli.value"

local UNITS <const> = { char = 1, char16 = 2, char32 = 4 }

-- Each function below adds the runs { offset, bytes } that make a part canonical. `at` is the
-- part's offset.

local add

local function add_bool(runs, bytes, at)
  if bytes:byte(at + 1) > 1 then runs[#runs + 1] = { at, "\1" } end
end

local function add_text(runs, bytes, type, at)
  local unit, ending = UNITS[type.kind], at + type.size
  local zero = ("\0"):rep(unit)
  while at < ending and bytes:sub(at + 1, at + unit) ~= zero do at = at + unit end
  if at < ending and bytes:find("[^\0]", at + 1) then
    runs[#runs + 1] = { at, ("\0"):rep(ending - at) }
  end
end

local function add_elements(runs, bytes, type, at, path)
  local count = type.count
  if type.kind == "list" then
    count = string.unpack("I4", bytes, at + 1)
    if count > type.count then
      failure.raise("corrupt", "%s: %d elements are more than its %d", path, count, type.count)
    end
    at = at + type.inner
  end
  for i = 1, count do
    add(runs, bytes, type.element, at + (i - 1) * type.element.size, ("%s[%d]"):format(path, i))
  end
end

function add(runs, bytes, type, at, path)
  if type.kind == "bool" then
    add_bool(runs, bytes, at)
  elseif value.is_text(type) then
    add_text(runs, bytes, type, at)
  elseif type.kind == "optional" then
    add_bool(runs, bytes, at)
    if bytes:byte(at + 1) ~= 0 then add(runs, bytes, type.element, at + type.inner, path) end
  elseif type.element then
    add_elements(runs, bytes, type, at, path)
  end
  for _, field in ipairs(type.fields or {}) do
    add(runs, bytes, field.type, at + field.offset, path .. "." .. field.name)
  end
end

--- @return a function of a value of the struct that returns its canonical bytes
return function(S)
  local copy = S:new()
  return function(whole)
    local bytes = ipmmap.bytes(whole)
    if pcall(ipmmap.setbytes, copy, bytes) then return bytes end
    local runs = {}
    add(runs, bytes, types.of(S), 0, S.name)
    return log.apply({ runs = runs }, bytes)
  end
end
