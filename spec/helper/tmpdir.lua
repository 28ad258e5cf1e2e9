--- `tmpdir()` makes a fresh directory, on shared memory where there is some, and returns its path.
-- The process that made it removes it at its end.
local posix = require "spec.helper.posix"

local made = setmetatable({ owner = posix.getpid() }, {
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
