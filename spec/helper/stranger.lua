--- Files of another user in a directory that everybody may write to. Needs root, to give them away.
local stranger = {}

stranger.ID = 65534
stranger.NEEDS = "needs root, to give files to somebody else"

function stranger.can_plant()
  local id <close> = io.popen("id -u")
  return id:read("n") == 0
end

--- Makes the directory one for all, as /tmp is, and the segment's files in it the stranger's.
-- @tparam string dir
-- @tparam string name of the files, without their endings
function stranger.plant(dir, name)
  assert(os.execute(("chmod 1777 '%s' && chown %d '%s/%s.mmap' '%s/%s.lock'"):format(dir,
    stranger.ID, dir, name, dir, name)))
end

return stranger
