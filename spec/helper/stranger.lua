--- Makes another user's files in a directory that every user may write to. It needs root to change
-- the files' owner.
local shell = require "spec.helper.shell"

local stranger = {}

stranger.ID = 65534
stranger.NEEDS = "needs root, to give files to somebody else"

function stranger.can_plant()
  return shell.run("id -u") == "0\n"
end

--- Opens the directory to all users, like /tmp, and gives the segment's files to the stranger.
-- @tparam string dir
-- @tparam string name the files' name without its ending
function stranger.plant(dir, name)
  shell.run(("chmod 1777 '%s' && chown %d '%s/%s.mmap' '%s/%s.lock'"):format(dir, stranger.ID, dir,
    name, dir, name))
end

return stranger
