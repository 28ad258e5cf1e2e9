--- What the generators of source text need to know of a layout.
local types = {}

--- The structs that a struct is made of, each after those it needs, itself last.
function types.structs(type)
  local list, known = {}, {}
  local function visit(part)
    if part.kind == "array" then return visit(part.element) end
    if part.kind ~= "struct" or known[part] then return end
    known[part] = true
    if part.parent then visit(part.parent) end
    for _, field in ipairs(part.fields) do visit(field.type) end
    list[#list + 1] = part
  end
  visit(type)
  return list
end

--- The fields that a struct has itself, not from its parent.
function types.own_fields(struct)
  local inherited = struct.parent and #struct.parent.fields or 0
  return table.move(struct.fields, inherited + 1, #struct.fields, 1, {})
end

--- An array's innermost element, and the counts of its dimensions from the outermost.
function types.dimensions(type)
  local counts = {}
  while type.kind == "array" do
    counts[#counts + 1] = type.count
    type = type.element
  end
  return type, counts
end

--- What names are called where some are reserved: such a one has as many "_" after it as it needs
-- to be no other's.
-- @param taken names that are others' already, as a set
-- @return a table from the names to what they are called
function types.rename(names, is_reserved, taken)
  local called, used = {}, setmetatable({}, { __index = taken })
  for _, name in ipairs(names) do
    if not is_reserved(name) and not used[name] then called[name], used[name] = name, true end
  end
  for _, name in ipairs(names) do
    if not called[name] then
      local free = name .. "_"
      while used[free] do free = free .. "_" end
      called[name], used[free] = free, true
    end
  end
  return called
end

--- The names in a list of structs or fields.
function types.names(list)
  local names = {}
  for i, named in ipairs(list) do names[i] = named.name end
  return names
end

--- The words in a text, as a set.
function types.set(text)
  local set = {}
  for word in text:gmatch("%S+") do set[word] = true end
  return set
end

return types
