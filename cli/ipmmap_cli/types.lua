--- Functions on layouts that the generators of source text share.
local types = {}

local described = setmetatable({}, { __mode = "k" })

--- The description of a Struct, the same table each time.
function types.of(S)
  described[S] = described[S] or S:type()
  return described[S]
end

-- The parts of a type for which is_wanted(part) is true. Each comes after those that it uses.
local function parts(type, is_wanted)
  local list, known = {}, {}
  local function visit(part)
    if known[part] then return end
    known[part] = true
    if part.parent then visit(part.parent) end
    if part.element then visit(part.element) end
    for _, field in ipairs(part.fields or {}) do visit(field.type) end
    if is_wanted(part) then list[#list + 1] = part end
  end
  visit(type)
  return list
end

--- A list of the struct and of all structs that it uses. Each comes after those that it uses
-- itself.
function types.structs(type)
  return parts(type, function(part) return part.kind == "struct" end)
end

--- A list of the enumerations and flags that a struct uses.
function types.enums(type)
  return parts(type, function(part) return part.names ~= nil end)
end

--- The type without the arrays, the lists and the optional around it.
function types.innermost(type)
  while type.element do type = type.element end
  return type
end

--- Whether the type is a list or an optional: C has them as structs.
function types.is_wrapper(type)
  return type.kind == "list" or type.kind == "optional"
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

--- The number of units of a text, such as 8 of "char[8]"; nil for other types and for "char".
function types.units(type)
  return math.tointeger(tonumber(type.kind:find("^char") and type.name:match("%[(%d+)%]$")))
end

local dynamic = setmetatable({}, { __mode = "k" })

--- Whether the type has lists or optional parts, so that a value has more or fewer scalars.
function types.is_dynamic(type)
  if dynamic[type] ~= nil then return dynamic[type] end
  local found = types.is_wrapper(type) or type.element ~= nil and types.is_dynamic(type.element)
  for _, field in ipairs(type.fields or {}) do
    found = found or types.is_dynamic(field.type)
  end
  dynamic[type] = found
  return found
end

--- The type of the second member of the struct that stands for a list or an optional type.
function types.content(type)
  if type.kind == "optional" then return type.element end
  return { kind = "array", count = type.count, element = type.element }
end

--- Gives each name an identifier. A reserved or taken name gets "_" appended until it differs from
-- all others, and from words such as __asm__, which compilers have.
-- @param taken a set of further names that must not be used, or a function for __index
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

--- Gives names that belong to an owner identifiers of their own: "Mode_idle" for "idle" of "Mode".
-- @param taken a set of names that must not be used, to which this adds the identifiers
-- @return a table from the names to their identifiers
function types.prefixed(owner, names, is_reserved, taken)
  local wanted, identifiers = {}, {}
  for i, name in ipairs(names) do wanted[i] = owner .. "_" .. name end
  local called = types.rename(wanted, is_reserved, taken)
  for i, name in ipairs(names) do
    identifiers[name] = called[wanted[i]]
    taken[identifiers[name]] = true
  end
  return identifiers
end

--- The names of a struct's own fields that are lists or optional.
function types.wrapped(struct)
  local names = {}
  for _, field in ipairs(types.own_fields(struct)) do
    if types.is_wrapper(field.type) then names[#names + 1] = field.name end
  end
  return names
end

--- The words in a text, as a set.
function types.set(text)
  local set = {}
  for word in text:gmatch("%S+") do set[word] = true end
  return set
end

return types
