-- Whether a debug hook is set, for the core: it asks while it waits for a lock, since the hook for
-- Ctrl-C is set by a signal handler, and runs only when Lua code runs. LuaJIT has one hook for all
-- coroutines, and lua_gethook tells it. A host may not export that function, or may have one of
-- another Lua, so it is tried here.
local ffi = require "ffi"
local C = require "ipmmap.jit.library" -- declares ipmmap_gethook

local hooks = { can_ask = false }

-- Any coroutine will do, and its address is in the text that stands for it. It is kept here. A host
-- may refuse to make one while it starts, as nginx does in init_worker_by_lua.
local is_made, thread = pcall(coroutine.create, function() end)
local address = is_made and tonumber(tostring(thread):match "0x%x+") or nil

--- What `hooks.ask` is called with.
hooks.state = address and ffi.cast("void *", address)
hooks.thread = thread

--- Whether the program has set a hook.
function hooks.is_set()
  return debug.gethook() ~= nil
end

local function does_nothing() end

-- Whether the function tells when a hook is set, and when not.
local function tells(ask)
  debug.sethook(does_nothing, "", 0x7fffffff)
  local with_hook = ask(hooks.state) ~= nil
  debug.sethook()
  return with_hook and ask(hooks.state) == nil
end
jit.off(tells)

if C and debug and debug.sethook and address and not hooks.is_set() then
  local is_there, ask = pcall(function() return ffi.C.ipmmap_gethook end)
  if is_there and tells(ask) then
    hooks.ask, hooks.can_ask = ask, true
  end
end

return hooks
