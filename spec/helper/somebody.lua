--- The start of a command line that runs the rest as another, unprivileged user. If that is not
-- possible here: nil, and the reason.
-- @treturn[1] {string,...}
-- @treturn[2] nil
-- @treturn[2] string
local posix = require "spec.helper.posix"

return function()
  if io.popen("id -u"):read("n") ~= 0 then return nil, "needs root, to become somebody else" end
  local somebody = { "setpriv", "--reuid=65534", "--clear-groups" }
  -- The whole path, because modules are found by it: a parent directory may be closed to that user.
  local file = (posix.getcwd() .. "/README.md"):gsub("'", "'\\''")
  if not os.execute(("%s test -r '%s'"):format(table.concat(somebody, " "), file)) then
    return nil, "another user cannot enter this directory"
  end
  return somebody
end
