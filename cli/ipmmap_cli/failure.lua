--- The command's errors: each has a code, and each code has an exit status.
local failure = {}

--- The exit statuses by code. The library's codes have the same names here.
failure.status = {
  ok = 0,
  differs = 1,      -- diff: there are differences; doctor: there are problems
  usage = 2,        -- a wrong command line; a path or a value that does not fit
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
  not_home = 12,    -- this machine may not write; its home may
  unknown = 13,     -- an edit elsewhere that may have been made
  conflict = 14,    -- others changed the same at the home
  refused = 15,     -- by the home, or by who shares the segment already
  invalid = 2,      -- an address of a server or an option that goes with it
  bug = 70,         -- an error in this program
  interrupted = 130,
}

--- Raises an error that ends the command with this message and the exit status of the code.
function failure.raise(code, format, ...)
  error({ code = code, message = select("#", ...) > 0 and format:format(...) or format }, 0)
end

--- Like assert, for functions that return nil, message, code when they fail.
function failure.assert(...)
  local value, message, code = ...
  if value == nil then failure.raise(code, "%s", message) end
  return ...
end

--- A message of the library, with the library's options named as the command line names them.
function failure.reword(message)
  return (message:gsub("the option trust", "--trust")
    :gsub("which only a lossy conversion may", "which only --lossy allows"))
end

--- Calls fn and returns its results. The library raises a string for a wrong argument. Here that
-- argument is a path or a value from the user, so this ends the command as a usage error.
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
