--- Calls the functions of server.lua in the server, and loads them into it when they are missing:
-- at the first call, and after a restart that forgot them.
local functions = {}

local PATH = assert(package.searchpath("ipmmap_share.server", package.path))

local library

local function text()
  if not library then
    local file <close> = assert(io.open(PATH, "rb"))
    library = file:read("a")
  end
  return library
end

--- The revision that this program needs.
function functions.revision()
  return text():match("\nlocal REVISION = (%d+)\n")
end

local function load(connection, replace)
  local reply, message, code
  if replace then
    reply, message, code = connection:call("FUNCTION", "LOAD", "REPLACE", text())
  else
    reply, message, code = connection:call("FUNCTION", "LOAD", text())
  end
  if reply ~= nil then return true end
  if code == "server" and message:find("already exists", 1, true) then return true end
  if code == "server" and message:find("^NOPERM") then
    message = ("%s. ipmmap's functions are not in the server, or too old. Allow +function|load, or "
      .. "let an administrator run: redis-cli -x FUNCTION LOAD REPLACE <%s"):format(message, PATH)
  end
  return nil, message, code
end

--- Calls a function.
-- @param connection see ipmmap_share.redis
-- @tparam string name without `ipmmap1_`
-- @tparam table keys
-- @tparam table arguments strings and integers
-- @return the function's reply; or nil, message, code as for the connection's `call`
function functions.call(connection, name, keys, arguments)
  local call = table.move(keys, 1, #keys, 4, { "FCALL", "ipmmap1_" .. name, #keys })
  table.move(arguments, 1, #arguments, #call + 1, call)
  local replies, message, code = connection:pipeline { call }
  local missing = code == "server" and message:find("Function not found", 1, true)
  local old = code == "server" and message:find("^OLD ")
  if missing or old then
    local loaded
    loaded, message, code = load(connection, old)
    if not loaded then return nil, message, code end
    replies, message, code = connection:pipeline { call }
  end
  if not replies then return nil, message, code end
  return replies[1]
end

return functions
