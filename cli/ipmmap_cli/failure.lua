--- How the command fails: errors with a code, and the exit status of each code.
local failure = {}

--- Exit statuses. The library's codes keep their names.
failure.status = {
  ok = 0,
  differs = 1,      -- diff: there are differences; doctor: there are problems
  usage = 2,        -- the command line; a path or a value that does not fit
  not_found = 3,
  layout = 4,
  corrupt = 5,
  permission = 6,
  timeout = 7,
  deadlock = 7,
  incompatible = 8,
  replaced = 9,
  no_space = 10,
  system = 11,
  bug = 70,         -- in this program
}

--- Ends the command with a message and the exit status of the code.
function failure.raise(code, format, ...)
  error({ code = code, message = select("#", ...) > 0 and format:format(...) or format }, 0)
end

--- Like assert, for what returns nil, message, code.
function failure.assert(...)
  local value, message, code = ...
  if value == nil then failure.raise(code, "%s", message) end
  return ...
end

--- A message of the library, with its options as they are called on a command line.
function failure.reword(message)
  return (message:gsub("the option trust", "--trust"))
end

--- Calls fn; what it raises as a bug of its caller is the user's here: a path or a value.
function failure.of_user(fn, ...)
  local results = table.pack(pcall(fn, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  local problem = results[2]
  if type(problem) == "string" then
    failure.raise("usage", "%s", (problem:gsub("^[^:]+:%d+: ", "")))
  end
  error(problem, 0)
end

return failure
