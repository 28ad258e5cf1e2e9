--- The beginning of a command line that another, unprivileged user runs from this tree; or nothing,
-- and why that cannot be.
-- @treturn[1] {string,...}
-- @treturn[2] nil
-- @treturn[2] string
return function()
  if io.popen("id -u"):read("n") ~= 0 then return nil, "needs root, to become somebody else" end
  local somebody = { "setpriv", "--reuid=65534", "--clear-groups" }
  if not os.execute(table.concat(somebody, " ") .. " test -r README.md") then
    return nil, "somebody else cannot read this tree"
  end
  return somebody
end
