-- The shared library libipmmap.so and its declarations. It is searched for in package.cpath, like a
-- C module: as ipmmap/libipmmap.so.
local has_ffi, ffi = pcall(require, "ffi")

--- Whether `ffi` is LuaJIT's, on a machine with 64 bits, and not another module of that name.
local function is_usable()
  return type(ffi) == "table" and type(ffi.metatype) == "function" and ffi.abi("64bit")
    and type(ffi.C) == "userdata"
end

local has_run, usable = pcall(is_usable)
if not (has_ffi and has_run and usable) then
  error("ipmmap needs LuaJIT's module 'ffi' on a machine with 64 bits: require 'ffi' gives "
    .. tostring(ffi):match "^[^\n]*", 0)
end

local NAME = "ipmmap.libipmmap"

local function find()
  local path, tried = package.searchpath(NAME, package.cpath)
  if not path then
    error(("ipmmap: there is no libipmmap.so in package.cpath:%s"):format(tried), 0)
  end
  return path
end

--- Declare what `text` has, unless the name `declared` is there already: this module may be loaded
-- several times, and a program may have declared the C interface for itself.
local function declare(declared, text)
  if not pcall(ffi.typeof, declared) then
    ffi.cdef(text)
  end
end

declare("ipm_options", require "ipmmap.jit.cdef")

--[[
A block of memory.lua. The checks of each access load its pointers, and its numbers, which are
declared as pointers. LuaJIT knows that a store to a field, whose type is never that of a pointer,
does not change what they load. So a compiled loop loads them once, and again after each call of the
library.
]]
declare("struct ipmmap_block", [[
typedef struct ipmmap_block {
  void *first;          /* the number of the view of the memory's first byte */
  void *size;           /* in bytes; 0: the memory may not be accessed */
  const void *forks;    /* the number of forks in the process that may access the memory */
  uint8_t *base;        /* the first byte */
  uint8_t *ready;       /* the bytes that may be changed now: from here */
  uint8_t *ready_end;   /* to here */
  void *keeps;          /* not 0: the view of a part keeps the memory's owner alive */
  ipm_segment *segment; /* NULL: it is a feed's */
  struct ipmmap_block *below; /* of the memories that may be accessed: the one before */
  int64_t limit;        /* the size of the type */
  double epoch;         /* a handle's: how many times it has tried to take its lock */
  bool follows;         /* a handle's: it goes on with the segment that replaces its own */
} ipmmap_block;
int ipmmap_nanosleep(const void *, void *) __asm__("nanosleep");
int ipmmap_clock_gettime(int, void *) __asm__("clock_gettime");
const void *ipmmap_gethook(void *) __asm__("lua_gethook");
void *ipmmap_memccpy(void *, const void *, int, size_t) __asm__("memccpy");
]])

local library = ffi.load(find())

local has_all, missing = pcall(function() return library.ipm_boottime end)
if not has_all then
  error("ipmmap: libipmmap.so is of another version than the Lua files: " .. missing, 0)
end

return library
