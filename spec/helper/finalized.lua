--- `finalized(object, metatable)` sets the metatable of a table. Its `__gc` works in LuaJIT, too:
-- only userdata have finalizers there, so the table refers to one.
return function(object, metatable)
  if rawget(_G, "newproxy") then
    local proxy = _G.newproxy(true)
    getmetatable(proxy).__gc = function() metatable.__gc(object) end
    object.proxy = proxy
  end
  return setmetatable(object, metatable)
end
