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

return types
