--- Functions on layouts that the generators of source text share.
local types = {}

--- A list of the struct and of all structs that it uses. Each comes after those that it uses
-- itself.
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

--- The fields of a struct without those of its parent.
function types.own_fields(struct)
  local inherited = struct.parent and #struct.parent.fields or 0
  return table.move(struct.fields, inherited + 1, #struct.fields, 1, {})
end

--- The type of an array's innermost elements, and the counts of its dimensions, the outermost
-- first.
function types.dimensions(type)
  local counts = {}
  while type.kind == "array" do
    counts[#counts + 1] = type.count
    type = type.element
  end
  return type, counts
end

--- Gives each name an identifier. A reserved or taken name gets "_" appended until it differs from
-- all others, and from words such as __asm__, which compilers have.
-- @param taken a set of further names that must not be used
-- @return a table from the names to their identifiers
function types.rename(names, is_reserved, taken)
  local called, used = {}, setmetatable({}, { __index = taken })
  for _, name in ipairs(names) do
    if not is_reserved(name) and not used[name] then called[name], used[name] = name, true end
  end
  for _, name in ipairs(names) do
    if not called[name] then
      local free = name .. "_"
      while used[free] or free:find("^__.*[^_]__$") do free = free .. "_" end
      called[name], used[free] = free, true
    end
  end
  return called
end

--- The names of the structs or fields in a list.
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
