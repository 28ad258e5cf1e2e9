--- Asserts that a call returned nil, a message and the code: `fails(code, call(...))`. The library
-- reports failures of the environment in this way, and does not raise them.
-- @return the message
local assert = require "luassert"

return function(code, ok, message, got)
  assert.is_nil(ok)
  assert.equal("string", type(message))
  assert.equal(code, got, message)
  return message
end
