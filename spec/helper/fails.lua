--- Asserts that a call failed as the world's failures do: `fails(code, call(...))`.
-- @return the message
local assert = require "luassert"

return function(code, ok, message, got)
  assert.is_nil(ok)
  assert.equal("string", type(message))
  assert.equal(code, got, message)
  return message
end
