--- The start of a command line that runs the rest as another, unprivileged user. If that is not
-- possible here: nil, and the reason.
-- @treturn[1] {string,...}
-- @treturn[2] nil
-- @treturn[2] string
local posix = require "spec.helper.posix"
local shell = require "spec.helper.shell"

return function()
  if shell.run("id -u") ~= "0\n" then return nil, "needs root, to become somebody else" end
  local somebody = { "setpriv", "--reuid=65534", "--clear-groups" }
  -- The whole path, because modules are found by it: a parent directory may be closed to that user.
  local file = shell.quote(posix.getcwd() .. "/README.md")
  if not shell.try(("%s test -r %s"):format(table.concat(somebody, " "), file)) then
    return nil, "another user cannot enter this directory"
  end
  return somebody
end
