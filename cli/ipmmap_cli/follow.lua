--- ipmmap follow: keeps replicas of segments whose home is another machine.
local failure = require "ipmmap_cli.failure"
local files = require "ipmmap_cli.files"
local members = require "ipmmap_cli.members"
local segment = require "ipmmap_cli.segment"

local DEFAULT <const> = "./.mmap" -- made if it is not there, as the library does

-- What a member needs to know of an argument NAME or NAME:TAG.
local function describe(text, args)
  local name, tag = text:match("^([%a_][%w_]*)$"), ""
  if not name then name, tag = text:match("^([%a_][%w_]*):(.*)$") end
  if not name or not segment.is_tag(tag) then
    failure.raise("usage", "'%s' is not NAME or NAME:TAG, such as Game:left", text)
  end
  return { name = name .. "_" .. tag, dir = args.dir, standby = args.standby }
end

return function(args)
  local list = {}
  for i, text in ipairs(args.names) do list[i] = describe(text, args) end
  local dir = files.stat(args.dir)
  if dir and dir.type ~= "directory" then
    failure.raise("not_found", "%s is not a directory", args.dir)
  elseif not dir and args.dir ~= DEFAULT then
    failure.raise("not_found", "there is no directory %s", args.dir)
  end
  return members.run(args, list)
end
