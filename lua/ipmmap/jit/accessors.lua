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
local pairs = require("ipmmap.loops").pairs

local accessors = {}

-- If a struct has at most this many bytes, a store to a field prepares all of the struct for
-- changes, as a program in C does. LuaJIT then checks this once for several stores.
local SMALL_STRUCT = 64

local NAMES = "local whole, part, pointer, nested, use, present, void_p, bytes_p, int64, uint64, "
  .. "head_p, forks, ends, reach, prepare, " .. scalar.names .. " = ...\n"

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
  CONVERT
  ACCESS
  IF_IN_LIST
  local at = start + DISTANCE
  PREPARE
  at = cast(pointer, at)
  BEFORE
  HEAD_TO_SET
  AGAIN
  STORE
end
return access]]

local APPEND = [[
local function access(view, i, x)
  CONVERT
  ACCESS
  PREPARE_HEAD
  local at = start + DISTANCE
  PREPARE
  at = cast(pointer, at)
  BEFORE
  HEAD
  AGAIN
  STORE
  head[0] = tobit(i)
end
return access]]

local COUNT_OF = [[
local function access(view PARAMETERS)
  ACCESS
  HEAD
  AGAIN
  local count = from_uint32(head[0])
  if count > COUNT then use.corrupt(view, count) end
  return count
end
return access]]

local CHECK_INDEX = [[
  if not (type(i) == "number" and i >= 1 and i <= COUNT and floor(i) == i) then
    return use.index(view, i BESIDES)
  end
]]

-- What is stored for a value. A name becomes its number. If the access begins again, it does so
-- with the value that it was given, unless a second conversion changes nothing.
local CONVERT = "if not (CHECK) then x = use.convert(view, part, SPAN, x) end"
local CONVERT_NAME = "x = part.names.numbers[x] or x\n" .. CONVERT
local CONVERT_TEXT = [[
  local given = x
  x = ENCODE or use.convert(view, part, SPAN, x)
]]
local CLEAR = "if x == nil then return use.clear(view) end\n"
local REMOVE = "if x == nil then return use.remove(view, i) end\n"

-- The head of a list, its count, and of an optional value, whether it is there. What it tells holds
-- for the access that follows at once.
local LIST = {
  HEAD = "local head = cast(head_p, start)",
  GUARD = [[
  local count = from_uint32(head[0])
  if i > count or count > COUNT then return use.index(view, i AGAIN_WITH) end
]],
  IF_THERE = "HEAD\nAGAIN\nGUARD",
  IF_IN_LIST = "IF_THERE",
}
local OPTIONAL = {
  HEAD = "local head = start + HEAD_DISTANCE",
  GUARD = "if head[0] == 0 then return nil end",
  IF_THERE = LIST.IF_THERE,
  HEAD_TO_SET = "HEAD",
}

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
  IF_THERE
  local made = MAKE
  if block.keeps ~= nil then use.keep(made, block) end
  return made
]],
  PREPARE = [[
  if FROM < block.ready or FROM + LENGTH > block.ready_end then
    prepare(block, FROM, LENGTH, at, ends_before)
  end
]],
  PREPARE_HEAD = [[
  if start < block.ready or start + 4 > block.ready_end then
    prepare(block, start, 4, start, ends_before)
  end
]],
  AGAIN = "if ends[0] ~= ends_before then return access(view PARAMETERS AGAIN_WITH) end",
}

-- The access to a value, whose view has the address, and an entry in value.lua.
local detached = {
  ACCESS = "local start = cast(bytes_p, NUMBER)",
  NESTED = [[
  IF_THERE
  local entry = use.take_part(view.ENTRY)
  local made = nested(cast(void_p, at), entry)
  use.enter(entry, made)
  return made
]],
  PREPARE = "",
  PREPARE_HEAD = "",
  AGAIN = "",
}

local RESULT = "BEFORE_LOAD\nat = cast(pointer, at)\nHEAD\nAGAIN\nGUARD\nreturn LOAD"

local head_p = ffi.typeof "int32_t *"

local function compile(code, words, pointer, whole, part, nested, use)
  local before
  repeat -- words contain words
    before, code = code, code:gsub("%u[%u_]+", words)
  until code == before
  local chunk = assert(loadstring(NAMES .. code, errors.chunk "view"))
  return chunk(whole, part, pointer, nested, use, memory.present, ffi.typeof "void *",
    ffi.typeof "uint8_t *", ffi.typeof "int64_t", ffi.typeof "uint64_t", head_p, memory.forks,
    memory.ends, memory.reach, memory.prepare, scalar.values())
end

local function add(words, more)
  for word, code in pairs(more) do
    words[word] = code
  end
end

-- The words about the value of a scalar.
local function scalar_words(part)
  local kind = scalar.kinds[part.kind]
  return {
    CHECK = scalar.check_code(part),
    STORE = kind.store,
    BEFORE = kind.before_store,
    BEFORE_LOAD = kind.before_load,
    LOAD = scalar.load_code(part),
    ENCODE = kind.encode,
    CONVERT = kind.encode and CONVERT_TEXT or scalar.is_named(part) and CONVERT_NAME or CONVERT,
    AGAIN_WITH = kind.encode and "BESIDES_GIVEN" or "BESIDES",
    RESULT = RESULT,
  }
end

-- What the words of the code stand for, for a field at an offset, or the elements of an array or a
-- list. `part` is the type of the field's value.
local function words_for(is_live, whole, part, offset, besides)
  local is_small = offset and whole.size <= SMALL_STRUCT and not whole.is_shared
  local words = {
    NUMBER = is_live and whole.kind == "struct" and "view" or "view." .. accessors.NUMBER,
    ENTRY = accessors.ENTRY,
    PARAMETERS = offset and "" or ", i",
    INDEX = offset and "" or CHECK_INDEX,
    BESIDES = besides,
    BESIDES_GIVEN = besides ~= "" and ", given" or "",
    COUNT = ("%.0f"):format(whole.count or 0),
    DISTANCE = offset and ("%.0f"):format(offset)
      or ("(cast(int64, i) * SIZE + %.0f)"):format(whole.inner - part.size),
    SPAN = offset and ("%.0f"):format(offset)
      or ("(i - 1) * SIZE + %.0f"):format(whole.inner),
    SIZE = ("%.0f"):format(part.size),
    FROM = is_small and "start" or "at",
    LENGTH = ("%.0f"):format(is_small and whole.size or part.size),
    MAKE = part.kind == "struct" and "cast(nested, number + DISTANCE)"
      or "nested(cast(void_p, number + DISTANCE))",
    HEAD = "", GUARD = "", IF_THERE = "", IF_IN_LIST = "", HEAD_TO_SET = "",
    AGAIN_WITH = "BESIDES", RESULT = "NESTED",
  }
  add(words, is_live and live or detached)
  if part.is_scalar then
    add(words, scalar_words(part))
  end
  if whole.kind == "list" then
    add(words, LIST)
  end
  return words
end

-- The same for an optional field: the value, its type, and the words.
local function words_for_field(is_live, whole, part, offset, besides)
  if part.kind ~= "optional" then
    return part, words_for(is_live, whole, part, offset, besides)
  end
  local element = part.element
  local words = words_for(is_live, whole, element, offset + part.inner, besides)
  add(words, OPTIONAL)
  words.HEAD_DISTANCE = ("%.0f"):format(offset)
  return element, words
end

--- The names of the members of views; no field has such a name.
accessors.NUMBER, accessors.ENTRY = "\255number", "\255entry"

--[[
The function that reads a part: `get(view)` for a field, `get(view, i)` for an element.
is_live  the view is of a segment or a feed; otherwise of a value
whole    the view's type
part     the field's or the element's
offset   the field's; nil: the elements of an array or a list
nested   the type of the views of the part, or of an optional one's value, if it is no scalar
use      `index` is called for an index that is no element's. For views of parts it has `keep` of
         memory.lua, or `take_part` and `enter` of value.lua
]]
function accessors.get(is_live, whole, part, offset, nested, use)
  local element, words = words_for_field(is_live, whole, part, offset, "")
  local kind = scalar.kinds[element.kind]
  return compile(GET, words, kind and kind.load_pointer, whole, element, nested, use)
end

--- The function that assigns a scalar, or an optional one: `set(view, x)` or `set(view, i, x)`.
-- `use` also has `convert`, which is called for a value that may have to be converted or refused,
-- `clear`, which removes an optional value, and `remove`, which removes an element of a list.
function accessors.set(is_live, whole, part, offset, use)
  local element, words = words_for_field(is_live, whole, part, offset, ", x")
  if part.kind == "optional" then
    local is_small = words.FROM == "start"
    add(words, {
      CONVERT = CLEAR .. words.CONVERT,
      STORE = words.STORE .. "\nhead[0] = 1",
      FROM = is_small and "start" or "(start + HEAD_DISTANCE)",
      LENGTH = is_small and words.LENGTH or ("%.0f"):format(part.size),
    })
  end
  if whole.kind == "list" then
    words.CONVERT = REMOVE .. words.CONVERT
  end
  return compile(SET, words, scalar.kinds[element.kind].pointer, whole, element, nil, use)
end

--- The function that assigns a scalar to the element after the last one of a list, which has room
-- for it, and adds one to the count: `append(view, i, x)`.
function accessors.append(is_live, whole, use)
  local part = whole.element
  local words = words_for(is_live, whole, part, nil, ", x")
  return compile(APPEND, words, scalar.kinds[part.kind].pointer, whole, part, nil, use)
end

--- The function that returns the number of elements of a list: `count(view)`. It calls
-- `use.corrupt` if that is more than the list has room for.
function accessors.count(is_live, whole, use)
  local words = words_for(is_live, whole, whole.element, 0, "")
  return compile(COUNT_OF, words, nil, whole, nil, nil, use)
end

return accessors
