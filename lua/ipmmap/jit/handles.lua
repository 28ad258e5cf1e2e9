-- What ipmmap.jit.core offers of handles and feeds: the same as src/lua/core.c.
local open = require "ipmmap.jit.open"
local feeds = require "ipmmap.jit.feeds"
local handle = require "ipmmap.jit.handle"
local share = require "ipmmap.jit.share"
local wait_any = require "ipmmap.jit.wait_any"

require "ipmmap.jit.access"
require "ipmmap.jit.update"
require "ipmmap.jit.info"

return {
  open = open.open, repair = open.repair, adopt = open.adopt, methods = handle.methods,
  feed = feeds, wait_any = wait_any, set_share = share.set, boottime = share.boottime,
}
