--- ipmmap diff: prints how two segments differ, in layout, attributes and values. It leaves the
-- header out, because its time stamp differs almost always.
local attributes = require "ipmmap_cli.attributes"
local failure = require "ipmmap_cli.failure"
local output = require "ipmmap_cli.output"
local segment = require "ipmmap_cli.segment"
local types = require "ipmmap_cli.types"
local value = require "ipmmap_cli.value"

local function by_name(list)
  local named = {}
  for _, entry in ipairs(list) do named[entry.name] = entry end
  return named
end

-- The type as it is in memory: an enumeration is an integer.
local function in_memory(type)
  if type.element then
    local suffix = type.kind == "optional" and "?"
      or ("[%s%d]"):format(type.kind == "list" and "<=" or "", type.count)
    return in_memory(type.element) .. suffix
  end
  return type.names and type.kind or type.name
end

local function same_in_memory(field, other)
  return in_memory(field.type) == in_memory(other.type) and field.offset == other.offset
end

-- Compares two lists of { name, text }, and reports the entries that differ.
local function compare_named(report, path, first, second)
  local others = by_name(second)
  for _, entry in ipairs(first) do
    local other = others[entry.name]
    if not other or other.text ~= entry.text then
      report { path = path, attribute = entry.name, first = entry.text,
        second = other and other.text }
    end
  end
  local known = by_name(first)
  for _, entry in ipairs(second) do
    if not known[entry.name] then
      report { path = path, attribute = entry.name, second = entry.text }
    end
  end
end

-- The attributes of a field, with its type and the type's names.
local function attributes_of(field)
  local list, type = attributes.of(field), types.innermost(field.type)
  table.insert(list, 1, { name = "type", text = field.type.name })
  for _, constant in ipairs(type.names or {}) do
    list[#list + 1] = {
      name = constant.name, text = value.write({ kind = type.kind }, constant.number),
    }
  end
  return list
end

-- The text of a scalar, in which the number of an enumeration is a number.
local function plain(type, data)
  return value.write({ kind = type.kind }, value.number(type, data))
end

-- A value on one line.
local function summary(type, data)
  return value.is_scalar(type) and value.write(type, data) or type.name
end

local compare

local function compare_structs(found, first, second, prefix, a, b)
  local others = by_name(second.fields)
  for _, field in ipairs(first.fields) do
    local other, path = others[field.name], prefix .. field.name
    if not other then
      found.layout { path = path, first = ("%s at %d"):format(field.type.name, field.offset) }
    elseif path ~= "header" then
      if same_in_memory(field, other) then
        compare_named(found.attribute, path, attributes_of(field), attributes_of(other))
      else
        found.layout {
          path = path,
          first = ("%s at %d"):format(field.type.name, field.offset),
          second = ("%s at %d"):format(other.type.name, other.offset),
        }
      end
      compare(found, field.type, other.type, path, a[field.name], b[field.name])
    end
  end
  local firsts = by_name(first.fields)
  for _, field in ipairs(second.fields) do
    if not firsts[field.name] then
      found.layout {
        path = prefix .. field.name, second = ("%s at %d"):format(field.type.name, field.offset),
      }
    end
  end
end

local function compare_elements(found, first, second, path, a, b)
  local count, other = value.count(first, a), value.count(second, b)
  if count ~= other and (first.kind == "list" or second.kind == "list") then
    found.value { path = path, first = output.count(count, "element"),
      second = output.count(other, "element") }
  end
  for i = 1, math.min(count, other) do
    compare(found, first.element, second.element, ("%s[%d]"):format(path, i), a[i], b[i])
  end
end

-- Compares two values, if both are structs, both have elements, or both are scalars.
function compare(found, first, second, path, a, b)
  first, second = value.held(first, a), value.held(second, b)
  if first.kind == "absent" or second.kind == "absent" then
    if first.kind ~= second.kind then
      found.value { path = path, first = summary(first, a), second = summary(second, b) }
    end
  elseif first.kind == "struct" and second.kind == "struct" then
    compare_structs(found, first, second, path == "" and "" or path .. ".", a, b)
  elseif first.element and second.element then
    compare_elements(found, first, second, path, a, b)
  elseif value.is_scalar(first) and value.is_scalar(second)
    and plain(first, a) ~= plain(second, b) then
    found.value { path = path, first = value.write(first, a), second = value.write(second, b) }
  end
end

-- A function that adds a difference to the list. If all elements of an array have the same
-- difference, it adds only the first one.
local function unless_known(list)
  local known = {}
  return function(difference)
    local general = difference.path:gsub("%[%d+%]", "[]") .. ":" .. (difference.attribute or "")
    if not known[general] then
      known[general] = true
      list[#list + 1] = difference
    end
  end
end

local function print_differences(list)
  for _, difference in ipairs(list) do
    local attribute = difference.attribute and difference.attribute .. " " or ""
    if not difference.second then
      output.print("%s", output.paint("red",
        ("- %s: %s%s"):format(difference.path, attribute, difference.first)))
    elseif not difference.first then
      output.print("%s", output.paint("green",
        ("+ %s: %s%s"):format(difference.path, attribute, difference.second)))
    else
      output.print("%s: %s%s -> %s", output.paint("cyan", difference.path), attribute,
        output.paint("red", difference.first), output.paint("green", difference.second))
    end
  end
end

local function for_json(list)
  local objects = {}
  for i, difference in ipairs(list) do
    objects[i] = output.object {
      { "path", difference.path }, { "attribute", difference.attribute },
      { "first", difference.first }, { "second", difference.second },
    }
  end
  return output.array(objects)
end

return function(args)
  local first <close>, S = segment.open("reader", args.first, args)
  local second <close>, T = segment.open("reader", args.second, args)
  local layout, attributed, values = {}, {}, {}
  compare({
    layout = unless_known(layout), attribute = unless_known(attributed),
    value = function(difference) values[#values + 1] = difference end,
  }, S:type(), T:type(), "", first:snapshot(), second:snapshot())
  if args.json then
    output.json(output.object {
      { "first_struct", S.name }, { "second_struct", T.name },
      { "layout", for_json(layout) }, { "attributes", for_json(attributed) },
      { "values", for_json(values) },
    })
  else
    if S.name ~= T.name then output.print("structs: %s -> %s", S.name, T.name) end
    print_differences(layout)
    print_differences(attributed)
    print_differences(values)
  end
  if S.name ~= T.name or #layout + #attributed + #values > 0 then return failure.status.differs end
end
