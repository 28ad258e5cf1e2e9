--- ipmmap diff: prints how two segments differ, in layout and values. It leaves the header out,
-- because its time stamp differs almost always.
local failure = require "ipmmap_cli.failure"
local output = require "ipmmap_cli.output"
local segment = require "ipmmap_cli.segment"
local value = require "ipmmap_cli.value"

local function by_name(struct)
  local fields = {}
  for _, field in ipairs(struct.fields) do fields[field.name] = field end
  return fields
end

local compare

local function compare_structs(found, first, second, prefix, a, b)
  local others = by_name(second)
  for _, field in ipairs(first.fields) do
    local other, path = others[field.name], prefix .. field.name
    if not other then
      found.layout { path = path, first = ("%s at %d"):format(field.type.name, field.offset) }
    elseif path ~= "header" then
      if field.type.name ~= other.type.name or field.offset ~= other.offset then
        found.layout {
          path = path,
          first = ("%s at %d"):format(field.type.name, field.offset),
          second = ("%s at %d"):format(other.type.name, other.offset),
        }
      end
      compare(found, field.type, other.type, path, a[field.name], b[field.name])
    end
  end
  local firsts = by_name(first)
  for _, field in ipairs(second.fields) do
    if not firsts[field.name] then
      found.layout {
        path = prefix .. field.name, second = ("%s at %d"):format(field.type.name, field.offset),
      }
    end
  end
end

-- Compares two values, if both are structs, both are arrays, or both are scalars.
function compare(found, first, second, path, a, b)
  if first.kind == "struct" and second.kind == "struct" then
    compare_structs(found, first, second, path == "" and "" or path .. ".", a, b)
  elseif first.kind == "array" and second.kind == "array" then
    for i = 1, math.min(first.count, second.count) do
      compare(found, first.element, second.element, ("%s[%d]"):format(path, i), a[i], b[i])
    end
  elseif value.is_scalar(first) and value.is_scalar(second) then
    local written, other = value.write(first, a), value.write(second, b)
    if written ~= other then found.value { path = path, first = written, second = other } end
  end
end

-- A function that adds a difference to the list. If all elements of an array have the same
-- difference, it adds only the first one.
local function unless_known(list)
  local known = {}
  return function(difference)
    local general = difference.path:gsub("%[%d+%]", "[]")
    if not known[general] then
      known[general] = true
      list[#list + 1] = difference
    end
  end
end

local function print_differences(list)
  for _, difference in ipairs(list) do
    if not difference.second then
      output.print("%s", output.paint("red",
        ("- %s: %s"):format(difference.path, difference.first)))
    elseif not difference.first then
      output.print("%s", output.paint("green",
        ("+ %s: %s"):format(difference.path, difference.second)))
    else
      output.print("%s: %s -> %s", output.paint("cyan", difference.path),
        output.paint("red", difference.first), output.paint("green", difference.second))
    end
  end
end

local function for_json(list)
  local objects = {}
  for i, difference in ipairs(list) do
    objects[i] = output.object {
      { "path", difference.path }, { "first", difference.first }, { "second", difference.second },
    }
  end
  return output.array(objects)
end

return function(args)
  local first <close>, S = segment.open("reader", args.first, args)
  local second <close>, T = segment.open("reader", args.second, args)
  local layout, values = {}, {}
  compare({
    layout = unless_known(layout),
    value = function(difference) values[#values + 1] = difference end,
  }, S:type(), T:type(), "", first:snapshot(), second:snapshot())
  if args.json then
    output.json(output.object {
      { "first_struct", S.name }, { "second_struct", T.name },
      { "layout", for_json(layout) }, { "values", for_json(values) },
    })
  else
    if S.name ~= T.name then output.print("structs: %s -> %s", S.name, T.name) end
    print_differences(layout)
    print_differences(values)
  end
  if S.name ~= T.name or #layout > 0 or #values > 0 then return failure.status.differs end
end
