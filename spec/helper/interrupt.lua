--- Calls fn. A debug hook raises an error at the n-th event in it, and at the following events:
-- `times` errors in all.
-- @treturn boolean whether there was an n-th event
return function(n, times, fn)
  local count, is_inside = 0, false
  local function hook()
    count = is_inside and count + 1 or count
    if is_inside and count >= n and count < n + times then error("interrupted", 0) end
  end
  pcall(pcall, pcall, pcall, function()
    debug.sethook(hook, "crl", 1)
    is_inside = true
    pcall(fn)
    is_inside = false
  end)
  is_inside = false
  debug.sethook()
  return count >= n
end
