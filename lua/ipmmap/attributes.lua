-- The attributes of fields: { "volume", "float", default = 0.8, min = 0, max = 1, unit = "dB" }.
-- They become part of the type's text, which the C core parses: "float (default 0.8, min 0)".
local check = require "ipmmap.check"
local compat = require "ipmmap.compat"

local pairs = require("ipmmap.loops").pairs

local core, is_integer = compat.core, compat.is_integer
local refuse = check.refuse

local function show(value)
  return type(value) == "table" and "a table" or check.show(value)
end

local attributes = {}

local ORDER = { "default", "min", "max", "unit", "doc" }

local function quote(text)
  return '"' .. text:gsub('[\1-\31"\\\127]', function(byte)
    return byte:find '["\\]' and "\\" .. byte or ("\\x%02x"):format(byte:byte())
  end) .. '"'
end

-- Each function below returns an attribute's value as schema text, or nil and what is wrong with
-- it. `base` says what the field's innermost elements are: see attributes.text.

local function number_text(value, base)
  local text = core.number_text(value, base.is_unsigned)
  if not text then
    return nil, "is not a number"
  elseif not text:find "%d" then
    return nil, "is not a finite number"
  end
  return text
end

local function string_text(value)
  if type(value) ~= "string" then
    return nil, "is not a string"
  elseif value:find("\0", 1, true) then
    return nil, "has a NUL in it"
  end
  return quote(value)
end

local function value_text(value, base)
  if type(value) == "boolean" then
    return tostring(value)
  elseif type(value) == "string" and base.has_names then
    return check.is_name(value) and value or nil, "is not a name"
  elseif type(value) == "string" then
    return string_text(value)
  end
  local text = core.number_text(value, base.is_unsigned)
  return text, "is neither a boolean, a number nor a string"
end

local function default_text(value, base)
  if type(value) ~= "table" then
    return value_text(value, base)
  end
  local texts = {}
  for key in pairs(value) do
    if not is_integer(key) or key < 1 or key > #value then
      return nil, "is not a list of one value or more"
    end
  end
  for i, element in ipairs(value) do
    local text, wrong = value_text(element, base)
    if not text then
      return nil, ("has an element %d, %s, which %s"):format(i, show(element), wrong)
    end
    texts[i] = text
  end
  if #texts == 0 then
    return nil, "is not a list of one value or more"
  end
  return ("[%s]"):format(table.concat(texts, ", "))
end

local converters = {
  default = default_text, min = number_text, max = number_text, unit = string_text,
  doc = string_text,
}

--- The attributes of a field as text, which follows the type: " (default 0.8, min 0)", or "".
-- Raises an error at `level` if an attribute is unknown or has a value of a wrong type.
-- @local
-- @tparam string struct the struct's name
-- @tparam table field
-- @tparam table base `has_names`: the elements are an enumeration or flags; `is_unsigned`: their
-- numbers are of 64 bits, unsigned
function attributes.text(struct, field, base, level)
  for key in pairs(field) do
    if key ~= 1 and key ~= 2 and not converters[key] then
      refuse(level, "%s.%s: there is no attribute %s (%s)", struct, field[1], show(key),
        table.concat(ORDER, ", "))
    end
  end
  local texts = {}
  for _, name in ipairs(ORDER) do
    local value = field[name]
    if value ~= nil then
      local text, wrong = converters[name](value, base)
      if not text then
        refuse(level, "%s.%s: %s = %s %s", struct, field[1], name, show(value), wrong)
      end
      texts[#texts + 1] = name .. " " .. text
    end
  end
  return #texts > 0 and (" (%s)"):format(table.concat(texts, ", ")) or ""
end

return attributes
