--- ipmmap who: who holds the lock, since when, is it alive; who waits.
local failure = require "ipmmap_cli.failure"
local files = require "ipmmap_cli.files"
local output = require "ipmmap_cli.output"
local segment = require "ipmmap_cli.segment"

local function describe(user)
  local lock = user.writes and "write" or "read"
  if user.waits then return ("waits for the %s lock"):format(lock) end
  if user.alive then return ("holds the %s lock"):format(lock) end
  return ("died with the %s lock, which the next one gets"):format(lock)
end

return function(args)
  local reader <close> = segment.open("reader", args.file, args)
  if not reader:info().lockable then failure.assert(reader:try_lock(0)) end -- says why
  local users, now = reader:users(), os.time()
  if args.json then
    local list = {}
    for i, user in ipairs(users) do
      list[i] = output.object {
        { "pid", user.pid }, { "command", files.command_of(user.pid) },
        { "lock", user.writes and "write" or "read" }, { "waits", user.waits },
        { "alive", user.alive }, { "since", user.since },
      }
    end
    return output.json(output.array(list))
  end
  if #users == 0 then return output.print("nobody holds the lock or waits for it") end
  local rows = {}
  for i, user in ipairs(users) do
    rows[i] = {
      tostring(user.pid), user.alive and files.command_of(user.pid) or "-", describe(user),
      ("%s (%d s)"):format(output.time(user.since), math.max(0, now - user.since)),
    }
  end
  output.columns({ "PID>", "COMMAND", "DOES", "SINCE" }, rows)
end
