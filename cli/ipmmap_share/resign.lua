--- How a home becomes a replica, after another machine has become the home.
local home = require "ipmmap_share.home"
local hold = require "ipmmap_share.hold"
local unpublished = require "ipmmap_share.unpublished"

-- The last version of the epoch that is part of what is stored: the one before that of the next
-- home. 0 if the log does not tell it. What this process has published is not always part of it:
-- the server may have lost it.
local function find_published(link, epoch)
  local at = { epoch = epoch, version = 0 }
  while true do
    local entries = link:call("entries", at, 0)
    for _, entry in ipairs(entries) do
      if entry.epoch ~= epoch then
        return entry.before and entry.before.epoch == epoch and entry.before.version or 0
      end
    end
    if #entries == 0 then return 0 end
    at = entries[#entries]
  end
end

--- Ends editing, saves what was not published, and makes the segment a replica whose state is to be
-- fetched. Until it is one, it stays a home whose commits count: dying in between loses nothing.
return function(member)
  local handle = member.handle
  local share = handle:share()
  local published = find_published(member.link, share.epoch)
  home.freeze(handle, member.go_on)
  local path, count = hold(handle, function()
    local saved, commits = unpublished.save(handle, member.S, share.epoch, published)
    handle:set_share { place = "replica" }
    return saved or false, commits
  end, member.go_on)
  if not member.lease then member.claims = false end
  member:drop_publisher()
  if path then
    local what = published > 0 and ("%d commits that were not published are"):format(count)
      or "what may not have been published is"
    member.voice:say("%s saved in %s", what, path)
  end
  return "join"
end
