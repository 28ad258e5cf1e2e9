--- The beginning of a command line that another, unprivileged user runs from this tree; or nothing,
-- and why that cannot be.
-- @treturn[1] {string,...}
-- @treturn[2] nil
-- @treturn[2] string
local posix = require "spec.helper.posix"

return function()
  if io.popen("id -u"):read("n") ~= 0 then return nil, "needs root, to become somebody else" end
  local somebody = { "setpriv", "--reuid=65534", "--clear-groups" }
  -- By its whole path, as modules are found: its parents may keep others out.
  local file = (posix.getcwd() .. "/README.md"):gsub("'", "'\\''")
  if not os.execute(("%s test -r '%s'"):format(table.concat(somebody, " "), file)) then
    return nil, "another user cannot enter this directory"
  end
  return somebody
end
