--- Sets one value of a segment while the screen goes on: `ipmmap set` without a pause.
local failure = require "ipmmap_cli.failure"
local input = require "ipmmap_cli.input"
local ipmmap = require "ipmmap"
local segment = require "ipmmap_cli.segment"
local uv = require "luv"

local PATIENCE <const> = 2 -- seconds that it waits for the lock
local SLICE <const> = 0.02 -- seconds of a wait, after which the screen and the keys have a turn
local PAUSE_MS <const> = 1

-- Sets the value in one transaction. Returns whether it is done: false if the lock is not free.
local function try(args, S, path, written, is_last)
  local data = input.read(S, path, written)
  local editor <close> = segment.open("editor", args.file, args)
  local view <close>, message, code = editor:try_lock(SLICE)
  if view then
    failure.of_user(editor.write, editor, path, data)
  elseif code ~= "timeout" or is_last then
    failure.raise(code, "%s", message)
  end
  return view ~= nil
end

--- Starts to set the value at a path.
-- @param guard wraps a callback of the loop
-- @param on_end called with nil when the value is set, or with the message why it is not
-- @return a function that gives up
return function(args, S, path, written, guard, on_end)
  local timer, deadline = uv.new_timer(), ipmmap.now() + PATIENCE
  local function attempt()
    local ok, result = pcall(try, args, S, path, written, ipmmap.now() > deadline)
    if ok and not result then return end
    timer:close()
    if not ok and not (type(result) == "table" and result.code) then error(result, 0) end
    on_end(not ok and failure.reword(result.message) or nil)
  end
  timer:start(0, PAUSE_MS, guard(attempt))
  return function()
    if not timer:is_closing() then timer:close() end
  end
end
