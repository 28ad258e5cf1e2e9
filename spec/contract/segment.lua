--- A segment for the specs of methods, of a struct with fields of every sort, open in every role;
-- and the same struct in other processes.
local ipmmap = require "ipmmap"
local process = require "spec.helper.process"
local tmpdir = require "spec.helper.tmpdir"

local segment = {}

local DEFINE <const> = [[
  local ipmmap = require "ipmmap"
  ipmmap.struct("CMInner", { { "x", "double" }, { "k", "int8" } })
  local S = ipmmap.base:extend("CMethod", {
    { "n", "int32" }, { "u", "uint64" }, { "l", "int64" }, { "b", "uint8" }, { "f", "float" },
    { "d", "double" }, { "flag", "bool" }, { "text", "char[8]" },
    { "inner", "CMInner" }, { "inners", "CMInner[4]" },
  })
  local dir = ...
]]

segment.Struct = load(DEFINE .. " return S")()

local open

--- Creates one in a fresh directory.
-- @treturn string the directory
-- @treturn Handle a manager, then an editor and a reader
function segment.open()
  local dir = tmpdir()
  local m = assert(ipmmap.manager("CMethod", { mmap_dir = dir, create = true }))
  local e = assert(ipmmap.editor("CMethod", { mmap_dir = dir }))
  local r = assert(ipmmap.reader("CMethod", { mmap_dir = dir }))
  open = { m, e, r }
  return dir, m, e, r
end

--- Closes the three handles.
function segment.close()
  for _, handle in ipairs(open) do handle:close() end
end

--- Runs a chunk in another process, where `ipmmap`, the struct `S` and `dir` are defined.
function segment.spawn(source, dir)
  return process.spawn(DEFINE .. source, dir)
end

--- Starts a process that takes a role's lock and holds it until it is sent a line.
function segment.holder(role, dir)
  local child = segment.spawn(([[
    local h = assert(ipmmap.%s(S, { mmap_dir = dir }))
    local view = h:lock()
    print("held")
    io.read()
    h:unlock()
    print("released")
    io.read()
  ]]):format(role), dir)
  child:expect("held")
  return child
end

--- Asserts that a call raises something whose text matches.
-- @treturn string the text
function segment.raises(pattern, fn, ...)
  local ok, message = pcall(fn, ...)
  assert(not ok, "nothing was raised")
  if not tostring(message):find(pattern) then
    error(("%q was raised, and not %q"):format(tostring(message), pattern), 2)
  end
  return tostring(message)
end

return segment
