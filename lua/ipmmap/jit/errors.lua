-- Messages and error objects, with the same texts as in src/lua/error.c.
local ffi = require "ffi"
local C = require "ipmmap.jit.library"

local errors = {}

local SHOWN_BYTES = 40
local INVALID = C.IPM_EINVALID

--- What the last call of the library that failed has said.
local buffer = ffi.new "ipm_error[1]"
errors.buffer = buffer

-- The parts of the buffer. To read them allocates nothing, so no finalizer, which may call the
-- library too, runs before they are read.
local last_code = ffi.cast("const int32_t *", buffer)
local last_text = ffi.cast("const char *", buffer) + ffi.offsetof("ipm_error", "text")

local own = debug and debug.getinfo(1, "S").source:match "^(.*/)[^/]*$"

--- The name of a piece of code that this library makes, which belongs to the library as its files
-- do.
function errors.chunk(name)
  return (own or "=") .. name
end

local function is_own(info)
  return info ~= nil and info.source:sub(1, #own) == own
end

--- Where the caller of this library is, as "file:line: ", or "". The library itself calls functions
-- by pcall.
local function where()
  local level = 2
  while own do
    local info = debug.getinfo(level, "Sl")
    if not info then
      return ""
    elseif not is_own(info)
        and not (info.what == "C" and is_own(debug.getinfo(level + 1, "S"))) then
      return info.currentline > 0 and ("%s:%d: "):format(info.short_src, info.currentline) or ""
    end
    level = level + 1
  end
  return ""
end

local class = {
  __name = "ipmmap.error",
  __tostring = function(self) return self.where .. self.message end,
}

--- Whether a function of this library has called, by a finalizer, a debug hook or a function of the
-- program, the one that calls this.
function errors.is_nested()
  if not own then
    return false
  end
  local level = 3
  local info = debug.getinfo(level, "S")
  while info and not is_own(info) do
    level = level + 1
    info = debug.getinfo(level, "S")
  end
  return info ~= nil
end

function errors.message()
  return ffi.string(last_text)
end

--- Whether the last error has that code of the core.
function errors.is(code)
  return last_code[0] == code
end

--- The last error: its message, the name of its code, as "timeout", and whether it is about a bug
-- of the caller.
function errors.last()
  local code = last_code[0]
  local message = errors.message()
  return message, ffi.string(C.ipm_code_name(code)), code == INVALID
end

--- Say why a call fails, as the library does.
function errors.set(code, text)
  buffer[0].code = code
  ffi.copy(buffer[0].text, text:sub(1, ffi.sizeof(buffer[0].text) - 1))
end

--- Raise an error about a bug of the caller.
function errors.refuse(format, ...)
  error(where() .. format:format(...), 0)
end

--- Raise what the last call has said: a plain message for a bug of the caller, otherwise an error
-- object.
function errors.raise()
  local message, code, is_bug = errors.last()
  if is_bug then
    errors.refuse("%s", message)
  end
  error(setmetatable({ code = code, message = message, where = where() }, class), 0)
end

--- nil, message and code; a bug of the caller is raised instead.
function errors.fail()
  if errors.is(INVALID) then
    errors.raise()
  end
  local message, code = errors.last()
  return nil, message, code
end

-- Not compiled, because LuaJIT may run finalizers whenever it leaves compiled code.
for _, read in ipairs { errors.message, errors.is, errors.last, errors.raise, errors.fail } do
  jit.off(read)
end

local function show_string(text)
  local shown = text:sub(1, SHOWN_BYTES):gsub("[%c]", function(c)
    return ("\\x%02X"):format(c:byte())
  end)
  return "'" .. shown .. (#text > SHOWN_BYTES and "...'" or "'")
end

--- The name of the type of a view or value, or of a handle's class, or nil. view.lua and handle.lua
-- set it.
function errors.name_of() end

--- A value as messages show it: 'text', 3.5, a table. Calls no metamethod.
function errors.shown(value)
  local kind = type(value)
  if kind == "string" then
    return show_string(value)
  elseif kind == "number" and value % 1 == 0 and math.abs(value) < 0x1p64 then
    return ("%.0f"):format(value)
  elseif kind == "nil" or kind == "boolean" or kind == "number" then
    return tostring(value)
  elseif kind == "cdata" and (ffi.istype("int64_t", value) or ffi.istype("uint64_t", value)) then
    return tostring(value):gsub("U?LL$", "")
  end
  local name = errors.name_of(value) or kind
  return (name:find "^[aeiou]" and kind == "table" and "an " or "a ") .. name
end

--- What Lua's own functions call a value in messages about arguments.
function errors.type_of(value)
  local is_known, metatable = pcall(debug and debug.getmetatable or getmetatable, value)
  local name = is_known and type(metatable) == "table" and rawget(metatable, "__name")
  return type(name) == "string" and name or type(value)
end

--- Raise an error about an argument, as Lua's own functions do.
function errors.argument(number, name, format, ...)
  errors.refuse("bad argument #%d to '%s' (%s)", number, name, format:format(...))
end

return errors
