--- Loads a module that only shared segments need, when it is needed.
local PACKAGES = { cqueues = "cqueues", openssl = "luaossl" }

--- @tparam string name of a module of cqueues or luaossl, as for `require`
-- @return[1] the module
-- @return[2] nil
-- @treturn[2] string message, which names the package that is missing
-- @treturn[2] string code, `"system"`
return function(name)
  local found, module = pcall(require, name)
  if found then return module end
  local package = PACKAGES[name:match("^%w+")]
  return nil, ("no Lua module %s: it is in Debian's package lua-%s, and in the rock %s")
              :format(name, package, package), "system"
end
