--- ipmmap watch: shows the values live on a terminal, or prints a line for each commit into a pipe.
local ipmmap = require "ipmmap"
local new_history = require "ipmmap_cli.history"
local output = require "ipmmap_cli.output"
local segment = require "ipmmap_cli.segment"
local stop = require "ipmmap_cli.stop"
local uv = require "luv"
local watch_lines = require "ipmmap_cli.watch_lines"
local watch_screen = require "ipmmap_cli.watch_screen"

-- The error of a callback, after which the loop ends; else nil.
local problem

-- Wraps a callback of the loop, so that an error in it ends the loop.
local function guard(fn)
  local function handle(raised)
    if type(raised) == "table" then return raised end
    return { code = "bug", message = debug.traceback(tostring(raised), 2) }
  end
  return function(...)
    local ok, raised = xpcall(fn, handle, ...)
    if not ok then
      problem = problem or raised
      uv.stop()
    end
  end
end

-- Calls on_commit() now and after each commit, until the loop is stopped.
local function follow(reader, on_commit)
  local poll = uv.new_poll(reader:fd())
  on_commit() -- fd() is already open, so it reports every later commit
  poll:start("r", guard(function()
    reader:drain()
    on_commit()
  end))
  if not problem then uv.run() end
  poll:close()
  if problem then error(problem, 0) end
end

-- Shows the values on the terminal until the user quits.
local function show_live(reader, S, args)
  local history, snapshot = new_history(S, args.paths), S:new()
  local function take()
    local _, version = reader:versioned_snapshot(snapshot)
    history:add(snapshot, version, ipmmap.now())
  end
  stop.notice(uv.stop)
  local tag = reader:info().tag
  local title = S.name .. (tag ~= "" and (" '%s'"):format(tag) or "")
  local on_commit <const>, leave <close> = watch_screen(history, take, guard, title, S,
    args)
  local _ = leave
  follow(reader, on_commit)
end

return function(args)
  local reader <close>, S = segment.open("reader", args.file, args)
  local is_live = output.is_terminal(1) and not args.json
  local watch = is_live and show_live or watch_lines
  watch(reader, S, args)
end
