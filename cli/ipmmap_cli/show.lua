--- ipmmap show: prints all values, indented by their nesting.
local output = require "ipmmap_cli.output"
local parts = require "ipmmap_cli.parts"
local segment = require "ipmmap_cli.segment"
local shared = require "ipmmap_cli.shared"
local types = require "ipmmap_cli.types"
local value = require "ipmmap_cli.value"
local visible = require("ipmmap_cli.text").visible

local WIDTH <const> = 78

local function with_unit(text, unit)
  return text and ("%s %s"):format(text, visible(unit))
end

-- The value on one line, or nil if that line would be too long.
local function inline(type, data, room, unit)
  if unit and data ~= nil then return with_unit(inline(type, data, room - #unit - 1), unit) end
  type = value.held(type, data)
  if room < 0 then return nil end
  if value.is_scalar(type) then return value.write(type, data) end
  local texts, used = {}, 4
  local function add(prefix, element_type, element, its_unit)
    local text = inline(element_type, element, room - used - #prefix, its_unit)
    if not text then return false end
    texts[#texts + 1] = prefix .. text
    used = used + #texts[#texts] + 2
    return used <= room
  end
  if type.element then
    for i = 1, value.count(type, data) do
      if not add("", type.element, data[i]) then return nil end
    end
    return "[" .. table.concat(texts, ", ") .. "]"
  end
  for _, field in ipairs(type.fields) do
    if not add(field.name .. " = ", field.type, data[field.name], field.unit) then return nil end
  end
  return "{ " .. table.concat(texts, ", ") .. " }"
end

local print_parts

local function print_part(name, type, data, indent, unit)
  type = value.held(type, data)
  local heading = indent .. output.paint("cyan", name)
  local text = inline(type, data, WIDTH - #indent - #name - 3, unit)
  if text or value.is_scalar(type) then
    output.print("%s = %s", heading, text or value.write(type, data, unit))
  else
    output.print("%s%s", heading, unit and (" (%s)"):format(visible(unit)) or "")
    print_parts(type, data, indent .. "  ")
  end
end

-- Prints an array of numbers, with as many on each line as fit.
local function print_numbers(type, data, indent)
  local line, first = "", 1
  local function flush()
    output.print("%s%s = %s", indent, output.paint("cyan", ("[%d]"):format(first)), line)
  end
  for i = 1, value.count(type, data) do
    local text = value.write(type.element, data[i])
    if line ~= "" and #indent + #line + #text + 12 > WIDTH then
      flush()
      line, first = "", i
    end
    line = line == "" and text or line .. ", " .. text
  end
  flush()
end

function print_parts(type, data, indent)
  if type.kind == "struct" then
    for _, field in ipairs(type.fields) do
      print_part(field.name, field.type, data[field.name], indent, field.unit)
    end
  elseif value.is_number(type.element) or type.element.names then
    print_numbers(type, data, indent)
  else
    for i = 1, value.count(type, data) do
      print_part(("[%d]"):format(i), type.element, data[i], indent)
    end
  end
end

-- Prints all fields, also those after a damaged one; then raises the error of the first such one.
local function print_fields(struct, data)
  local first
  for _, field in ipairs(struct.fields) do
    local ok, problem = pcall(function()
      print_part(field.name, field.type, data[field.name], "", field.unit)
    end)
    if not ok and not (type(problem) == "table" and problem.code == "corrupt") then
      error(problem, 0)
    elseif not ok then
      output.print("%s = (damaged)", output.paint("cyan", field.name))
      first = first or problem
    end
  end
  if first then error(first, 0) end
end

local function print_all(S, data, version, info)
  local place = shared.describe(info.share)
  output.print("%s", output.paint("bold", ("%s%s, version %d%s"):format(S.name,
    info.tag ~= "" and (" '%s'"):format(info.tag) or "", version, place and ", " .. place or "")))
  print_fields(types.of(S), data)
end

return function(args)
  local reader <close>, S = segment.open("reader", args.file, args)
  local data, version = reader:versioned_snapshot()
  local chosen = parts.of(S, args.paths, data)
  local function read(part) return parts.value(S, data, part) end
  if #chosen == 0 and args.json then
    output.json(value.for_json(S:type(), data))
  elseif #chosen == 0 then
    print_all(S, data, version, reader:info())
  elseif not args.json then
    for _, part in ipairs(chosen) do
      print_part(part.path, part.type, read(part), "", part.unit)
    end
  elseif #args.paths == 1 and not parts.is_pattern(args.paths[1]) then
    output.json(value.for_json(chosen[1].type, read(chosen[1])))
  else
    output.json(parts.for_json(chosen, read))
  end
end
