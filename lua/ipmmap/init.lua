--- Typed shared memory between independent processes.
--
--     local ipmmap = require "ipmmap"
--     ipmmap.base:extend("Counter", { { "count", "int64" } })
--     local manager = assert(ipmmap.manager("Counter", { create = true }))
--     do
--       local data <close> = manager:lock()
--       data.count = data.count + 1
--     end
--
-- A bug in the calling program raises a message that names the struct, the path and the value. What
-- can happen to a correct program comes as `nil, message, code` from `manager`, `editor`, `reader`,
-- `try_lock` and `wait`, and is raised by methods that promise a result, as an error object with
-- `code` and `message`, whose tostring is the message after the caller's position, as with `error`.
-- `_VERSION` is the version, as a text.
-- @module ipmmap

local core = require "ipmmap.core"
local handle = require "ipmmap.handle"
local struct = require "ipmmap.struct"

return {
  _VERSION = core.version,
  struct = struct.struct,
  base = struct.base,
  load = struct.load,
  lookup = struct.lookup,
  parse = struct.parse,
  describe = core.describe,
  manager = handle.manager,
  editor = handle.editor,
  reader = handle.reader,
  repair = handle.repair,
  totable = core.totable,
  bytes = core.bytes,
  setbytes = core.setbytes,
  now = core.now,
  sleep = core.sleep,
}
