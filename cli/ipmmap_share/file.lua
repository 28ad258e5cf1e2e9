--- The data file of a member on this machine.
local ipmmap = require "ipmmap"
local segment = require "ipmmap_cli.segment"
local store = require "ipmmap_share.store"
local trouble = require "ipmmap_share.trouble"

local file = {}

--- Opens the segment for its commits to be shared.
-- @param path of the data file
-- @param[opt] args `lock_dir`, `trust`
-- @return handle, Struct; or nil if there is no such file. Other failures are raised
function file.open(path, args)
  local S, options, code = segment.describe(path, args)
  if not S and code == "not_found" then return nil end
  trouble.check(S, options, code)
  if S.size > store.LARGEST_STRUCT then
    trouble.raise("refused", "%s has %d bytes, and a server takes %d at most", path, S.size,
      store.LARGEST_STRUCT)
  end
  options.shares = true
  return trouble.check(ipmmap.manager(S, options)), S
end

--- Opens the segment of a struct.
-- @param options `mmap_dir`, `tag`, `lock_dir`, `trust`
-- @return handle. All failures are raised, also `layout`, which names the first difference
function file.open_as(S, options)
  return trouble.check(ipmmap.manager(S, setmetatable({ shares = true }, { __index = options })))
end

return file
