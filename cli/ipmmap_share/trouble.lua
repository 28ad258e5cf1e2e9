--- Failures that a correct program meets: a server that cannot be reached, a full disk. They are
-- raised as tables with `code` and `message`, as the library's own error objects are, and end the
-- present step of the work. Those of the server, or of the way to it, have `is_remote` too: trying
-- again later may help. Anything else that is raised is a bug.
local trouble = {}

local function raise(is_remote, code, format, ...)
  local message = select("#", ...) > 0 and format:format(...) or format
  error({ code = code, message = message, is_remote = is_remote }, 0)
end

--- Raises a failure.
-- @param code of the library; or one of this program's own steps, which the step's caller knows
function trouble.raise(code, format, ...) raise(false, code, format, ...) end

--- Raises a failure of the server.
function trouble.raise_remote(code, format, ...) raise(true, code, format, ...) end

--- Like assert, for functions that return nil, message, code when they fail.
function trouble.check(...)
  local value, message, code = ...
  if value == nil and message ~= nil then raise(false, code or "system", "%s", message) end
  return ...
end

--- The same for what the server has sent: if it is refused, that is the server's failure.
function trouble.check_remote(...)
  local value, message, code = ...
  if value == nil and message ~= nil then raise(true, code or "corrupt", "%s", message) end
  return ...
end

local function is_failure(problem)
  return (type(problem) == "table" or type(problem) == "userdata") and problem.code ~= nil
end

--- Calls a function, as pcall does. A bug goes on to the caller.
-- @return true and the results, or false and the failure
function trouble.catch(fn, ...)
  local results = table.pack(pcall(fn, ...))
  if not results[1] and not is_failure(results[2]) then error(results[2], 0) end
  return table.unpack(results, 1, results.n)
end

return trouble
