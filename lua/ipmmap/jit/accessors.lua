--[[
The code that reads and assigns the parts of a view. It is made as text for each field when the
field is first used, because LuaJIT compiles an offset that is in the code better than one in a
variable of a function that many fields share. Of a schema only offsets, counts and sizes get into
the code.

Each step of code that is not compiled makes cdata, so the collector may run finalizers, which may
end locks and close handles. So the code looks at the end whether any memory has become inaccessible
since its checks, and if so begins again; nothing allocates between that look and the access.
]]
local ffi = require "ffi"
local errors = require "ipmmap.jit.errors"
local memory = require "ipmmap.jit.memory"
local scalar = require "ipmmap.jit.scalar"

local accessors = {}

-- If a struct has at most this many bytes, a store to a field prepares all of the struct for
-- changes, as a program in C does. LuaJIT then checks this once for several stores.
local SMALL_STRUCT = 64

local HEAD = "local whole, part, pointer, nested, use, present, void_p, bytes_p, int64, uint64, "
  .. "forks, ends, reach, prepare, " .. scalar.names .. " = ...\n"

local GET = [[
local function access(view PARAMETERS)
  INDEX
  ACCESS
  local at = start + DISTANCE
  RESULT
end
return access]]

local SET = [[
local function access(view PARAMETERS, x)
  INDEX
  if not (CHECK) then x = use.convert(view, part, SPAN, x) end
  ACCESS
  local at = start + DISTANCE
  PREPARE
  at = cast(pointer, at)
  BEFORE
  AGAIN
  STORE
end
return access]]

local CHECK_INDEX = [[
  if not (type(i) == "number" and i >= 1 and i <= COUNT and floor(i) == i) then
    return use.index(view, i BESIDES)
  end
]]

-- The access to a segment or a feed, by the view's number.
local live = {
  ACCESS = [[
  local ends_before = ends[0]
  local block = present[0]
  local number = cast(uint64, NUMBER)
  local offset = number - cast(uint64, block.first)
  if offset >= cast(uint64, block.size) or block.forks ~= forks[0] then
    block, offset = reach(number, whole)
  end
  local start = block.base + offset
]],
  NESTED = [[
  local made = MAKE
  if block.keeps ~= nil then use.keep(made, block) end
  return made
]],
  PREPARE = [[
  if FROM < block.ready or FROM + LENGTH > block.ready_end then
    prepare(block, FROM, LENGTH, at, ends_before)
  end
]],
  AGAIN = "if ends[0] ~= ends_before then return access(view PARAMETERS BESIDES) end",
}

-- The access to a value, whose view has the address, and an entry in value.lua.
local detached = {
  ACCESS = "local start = cast(bytes_p, NUMBER)",
  NESTED = [[
  local entry = use.take_part(view.ENTRY)
  local made = nested(cast(void_p, at), entry)
  use.enter(entry, made)
  return made
]],
  PREPARE = "",
  AGAIN = "",
}

local function compile(code, words, pointer, whole, part, nested, use)
  for _ = 1, 5 do -- words contain words
    code = code:gsub("%u%u+", words)
  end
  local chunk = assert(loadstring(HEAD .. code, errors.chunk "view"))
  return chunk(whole, part, pointer, nested, use, memory.present, ffi.typeof "void *",
    ffi.typeof "uint8_t *", ffi.typeof "int64_t", ffi.typeof "uint64_t", memory.forks, memory.ends,
    memory.reach, memory.prepare, scalar.values())
end

-- What the words of the code stand for, for a field at an offset, or the elements of an array.
local function words_for(is_live, whole, part, offset, besides)
  local kind = scalar.kinds[part.kind]
  local is_small = offset and whole.size <= SMALL_STRUCT and not whole.is_shared
  local words = {
    NUMBER = is_live and offset and "view" or "view." .. accessors.NUMBER,
    ENTRY = accessors.ENTRY,
    PARAMETERS = offset and "" or ", i",
    INDEX = offset and "" or CHECK_INDEX,
    BESIDES = besides,
    COUNT = ("%d"):format(whole.count or 0),
    DISTANCE = offset and ("%d"):format(offset) or "(cast(int64, i) * SIZE - SIZE)",
    SPAN = offset and ("%d"):format(offset) or "(i - 1) * SIZE",
    SIZE = ("%d"):format(part.size),
    FROM = is_small and "start" or "at",
    LENGTH = ("%d"):format(is_small and whole.size or part.size),
    MAKE = part.kind == "array" and "nested(cast(void_p, number + DISTANCE))"
      or "cast(nested, number + DISTANCE)",
    CHECK = kind and kind.check,
    STORE = kind and kind.store,
    BEFORE = kind and kind.before_store,
    RESULT = kind and ("%s\nat = cast(pointer, at)\nAGAIN\nreturn %s"):format(kind.before_load,
      kind.load) or "NESTED",
  }
  for word, code in pairs(is_live and live or detached) do
    words[word] = code
  end
  return words
end

--- The names of the members of views; no field has such a name.
accessors.NUMBER, accessors.ENTRY = "\255number", "\255entry"

--[[
The function that reads a part: `get(view)` for a field, `get(view, i)` for an element.
is_live  the view is of a segment or a feed; otherwise of a value
whole    the view's type
part     the field's or the element's
offset   the field's; nil: the elements of an array
nested   the type of the views of the part, if it is no scalar
use      `index` is called for an index that is no element's. For views of parts it has `keep` of
         memory.lua, or `take_part` and `enter` of value.lua
]]
function accessors.get(is_live, whole, part, offset, nested, use)
  local words = words_for(is_live, whole, part, offset, "")
  local kind = scalar.kinds[part.kind]
  return compile(GET, words, kind and kind.load_pointer, whole, part, nested, use)
end

--- The function that assigns a scalar: `set(view, x)` or `set(view, i, x)`. `use` also has
-- `convert`, which is called for a value that may have to be converted or refused.
function accessors.set(is_live, whole, part, offset, use)
  return compile(SET, words_for(is_live, whole, part, offset, ", x"),
    scalar.kinds[part.kind].pointer, whole, part, nil, use)
end

return accessors
