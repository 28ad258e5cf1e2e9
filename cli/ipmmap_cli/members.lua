--- Runs what a machine does for segments that several machines have, one member for each segment,
-- until a signal ends them.
local failure = require "ipmmap_cli.failure"
local needed = require "ipmmap_share.needed"
local output = require "ipmmap_cli.output"
local status = require "ipmmap_share.status"
local tls = require "ipmmap_share.tls"
local url = require "ipmmap_share.url"
local uv = require "luv"

local members = {}

local MAX_MACHINE <const> = 64 -- bytes

-- Opens the status of each segment. Ends the command if one is shared already.
local function open_statuses(list, fields, args)
  local seen = {}
  for _, one in ipairs(list) do
    local path = status.path(one.dir, one.name)
    if seen[path] then failure.raise("usage", "%s is given twice", one.name) end
    seen[path] = true
  end
  for _, one in ipairs(list) do
    one.status = failure.assert(status.open(one.dir, one.name, args))
    failure.assert(one.status:set(fields))
  end
end

-- What a member says, with the segment's name before it.
local function named(name, message)
  local prefix = name .. ": "
  return message:sub(1, #prefix) == prefix and message or prefix .. message
end

-- Runs one member to its end. Returns the exit status.
local function run(one)
  local member = require "ipmmap_share.member"
  local done, message, code = member.run(one)
  if done then
    one.status:close()
    return failure.status.ok
  end
  one.say(message)
  one.status:give_up(message)
  return failure.status[code] or failure.status.system
end

-- Runs all members in an event loop.
-- @param stop told that a signal has come
-- @return the exit status of the first one that failed, or 0
local function loop(cqueues, list, stop)
  local signal = require "cqueues.signal"
  signal.block(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
  local listener = signal.listen(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
  local queue, running, result = cqueues.new(), #list, failure.status.ok
  for _, one in ipairs(list) do
    queue:wrap(function()
      local outcome = run(one)
      if result == failure.status.ok then result = outcome end
      running = running - 1
    end)
  end
  queue:wrap(function()
    listener:wait()
    stop()
    listener:wait()
    os.exit(failure.status.interrupted) -- the second signal does not wait for the server
  end)
  while running > 0 do assert(queue:step()) end
  return result
end

-- The server's address. Ends the command if something is missing to connect to it, such as a file.
local function find_server(args)
  local address = failure.assert(url.options(args.url, args))
  if address.tls then failure.assert(tls.check(address)) end
  return address
end

--- Runs the members until they end.
-- @param args of the command: `url` and the options of its server, `machine`, `lease`
-- @param list for each segment { name, dir, ... }, to which this adds what all have in common
-- @return the exit status
function members.run(args, list)
  local cqueues = failure.assert(needed "cqueues")
  local address = find_server(args)
  local machine = args.machine or uv.os_gethostname():sub(1, MAX_MACHINE)
  open_statuses(list, { url = url.show(address), machine = machine }, args)
  local is_stopping = false
  for _, one in ipairs(list) do
    one.address, one.machine, one.lease = address, machine, args.lease
    one.lock_dir, one.trust = args.lock_dir, args.trust
    one.say = function(message) output.say("%s", named(one.name, message)) end
    one.stopping = function() return is_stopping end
  end
  return loop(cqueues, list, function() is_stopping = true end)
end

return members
