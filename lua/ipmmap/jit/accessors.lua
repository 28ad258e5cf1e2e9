--[[
The code that reads and assigns the parts of a view. It is made as text for each field when the
field is first used, because LuaJIT compiles an offset that is in the code better than one in a
variable of a function that many fields share. Of a schema only offsets, counts and sizes get into
the code.
]]
local ffi = require "ffi"
local errors = require "ipmmap.jit.errors"
local memory = require "ipmmap.jit.memory"
local scalar = require "ipmmap.jit.scalar"

local accessors = {}

-- If a struct has at most this many bytes, a store to a field checks that all of the struct may be
-- changed. LuaJIT makes this check once for several stores.
local SMALL_STRUCT = 64

local HEAD = "local whole, part, pointer, nested, use, block_p, bytes_p, int64, forks, lost, "
  .. "prepare, keep, " .. scalar.names .. " = ...\nreturn "

local FIELD = "at = start + OFFSET"

local ELEMENT = "at = start + (cast(int64, i) * SIZE - SIZE)"

local CHECK_INDEX = [[
  if not (type(i) == "number" and i >= 1 and i <= COUNT and floor(i) == i) then
    return use.index(view, i BESIDES)
  end
]]

local CHECK_ACCESS = [[
  local block = cast(block_p, view.BLOCK)
  if block.live ~= view.KEY or block.forks ~= forks[0] then lost(view, whole) end
]]

local GET = [[
function(view PARAMETERS)
  INDEX
  ACCESS
  local start = cast(bytes_p, view.START)
  local PLACE
  RESULT
end]]

local NESTED = [[
  local made = nested(view.BLOCK, view.KEY, at)
  if block.keeps ~= nil then keep(made, block) end
  return made
]]

local SET = [[
function(view PARAMETERS, x)
  INDEX
  if not (CHECK) then x = use.convert(view, part, DISTANCE, x) end
  ACCESS
  local start = cast(bytes_p, view.START)
  local PLACE
  if FROM < block.ready or FROM + LENGTH > block.ready_end then prepare(block, at, SIZE) end
  STORE
end]]

-- Keeps the owner of a memory alive as long as the view of a part.
local kept = setmetatable({}, { __mode = "k" })

local function keep(view, block)
  kept[view] = memory.owner(block)
end

local function compile(code, words, whole, part, nested, use)
  for _ = 1, 3 do -- words contain words
    code = code:gsub("%u%u+", words)
  end
  local kind = scalar.kinds[part.kind]
  local chunk = assert(loadstring(HEAD .. code, errors.chunk "view"))
  return chunk(whole, part, kind and kind.pointer, nested, use, ffi.typeof "ipmmap_block *",
    ffi.typeof "uint8_t *", ffi.typeof "int64_t", memory.forks, memory.lost, memory.prepare, keep,
    scalar.values())
end

-- What the words of the code stand for, for a field at an offset, or the elements of an array.
local function words_for(whole, part, offset)
  local kind = scalar.kinds[part.kind]
  local is_small = offset and whole.size <= SMALL_STRUCT
  return {
    ACCESS = CHECK_ACCESS,
    BLOCK = memory.BLOCK, KEY = memory.KEY, START = memory.AT,
    PARAMETERS = offset and "" or ", i",
    INDEX = offset and "" or CHECK_INDEX,
    COUNT = ("%d"):format(whole.count or 0),
    PLACE = offset and FIELD or ELEMENT,
    OFFSET = ("%d"):format(offset or 0),
    SIZE = ("%d"):format(part.size),
    FROM = is_small and "start" or "at",
    LENGTH = ("%d"):format(is_small and whole.size or part.size),
    DISTANCE = offset and "OFFSET" or "(i - 1) * SIZE",
    CHECK = kind and kind.check,
    STORE = kind and kind.store,
    RESULT = kind and "return " .. kind.load or NESTED,
  }
end

--[[
The function that reads a part: `get(view)` for a field, `get(view, i)` for an element.
whole   the view's type
part    the field's or the element's
offset  the field's; nil: the elements of an array
nested  the type of the views of the part, if it is no scalar
use     `index` is called for an index that is no element's
]]
function accessors.get(whole, part, offset, nested, use)
  local words = words_for(whole, part, offset)
  words.BESIDES = ""
  return compile(GET, words, whole, part, nested, use)
end

--- The function that assigns a scalar: `set(view, x)` or `set(view, i, x)`. `use` also has
-- `convert`, which is called for a value that may have to be converted or refused.
function accessors.set(whole, part, offset, use)
  local words = words_for(whole, part, offset)
  words.BESIDES = ", x"
  return compile(SET, words, whole, part, nil, use)
end

return accessors
