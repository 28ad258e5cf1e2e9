--- Asserts that a call raised a message with a text in it: `refused(text, fn, ...)`. The library
-- raises strings for mistakes of the calling program.
local assert = require "luassert"

return function(text, fn, ...)
  local ok, message = pcall(fn, ...)
  assert.is_false(ok)
  assert.equal("string", type(message))
  assert.truthy(message:find(text, 1, true), message)
end
