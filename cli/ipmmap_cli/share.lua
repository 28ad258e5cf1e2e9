--- ipmmap share: makes this machine the home of segments; or tells the state of what share and
-- follow do here, or ends it.
local failure = require "ipmmap_cli.failure"
local files = require "ipmmap_cli.files"
local members = require "ipmmap_cli.members"
local segment = require "ipmmap_cli.segment"
local status = require "ipmmap_share.status"
local url = require "ipmmap_share.url"

-- What a member needs to know of a data file. One of several may be missing: its member says so.
local function describe(path, args)
  local S, options, code = segment.describe(path, args)
  local dir, file = segment.split(path)
  local name = file:match("^([%w._-]+)%.mmap$")
  if code == "not_found" and name and #args.files > 1 and files.stat(dir) then
    return { name = name, dir = dir, file = path, force = args.force }
  end
  if not S then failure.raise(code, "%s", options) end
  if status.name_of(file) then
    failure.raise("usage", "%s tells how another segment is shared, and is not shared itself", path)
  end
  return { name = S.name .. "_" .. options.tag, dir = options.mmap_dir, file = path,
    force = args.force }
end

local function share(args)
  if not args.url or #args.files == 0 then
    failure.raise("usage", "missing argument '%s'; see ipmmap share --help",
      args.url and "FILE" or "URL")
  end
  local address, message = url.parse(args.url)
  if not address then failure.raise("usage", "%s", message) end
  local list = {}
  for i, path in ipairs(args.files) do list[i] = describe(path, args) end
  return members.run(args, list)
end

return function(args)
  if not (args.status or args.ends) then
    if args.json then failure.raise("usage", "--json is for --status") end
    return share(args)
  end
  table.insert(args.files, 1, args.url) -- the first argument, whatever it is
  return require(args.status and "ipmmap_cli.share_status" or "ipmmap_cli.share_end")(args)
end
