--- `tmpdir()` makes a new directory and returns its path. The directory is in /dev/shm if possible.
-- The process that made the directory removes it when it ends.
local finalized = require "spec.helper.finalized"
local posix = require "spec.helper.posix"

local made = finalized({ owner = posix.getpid() }, {
  __gc = function(self)
    if self.owner ~= posix.getpid() then return end
    for _, path in ipairs(self) do os.execute("rm -rf '" .. path .. "'") end
  end,
})

return function()
  local shared, path = pcall(posix.mkdtemp, "/dev/shm/ipmmap-test-")
  if not shared then path = posix.mkdtemp((os.getenv("TMPDIR") or "/tmp") .. "/ipmmap-test-") end
  made[#made + 1] = path
  return path
end
