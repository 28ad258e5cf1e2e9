--- The address of a Redis server, written as a URL, and what a program shows to be let in.
-- An address is a table: `host`, `port`, `user` (nil: the default user), `db`, `tls`; and from
-- @{options} `password`, `ca`, `cert`, `key`. No message contains a part of a URL that may be a
-- password.
local url = {}

local PASSWORD = "IPMMAP_REDIS_PASSWORD"
local FORM = "a server is written as redis://[USER@]HOST[:PORT][/DB], with rediss:// for TLS"
local PORT = 6379
local LONGEST_PASSWORD = 4096

local function decode(text)
  if text:gsub("%%%x%x", ""):find("%%") then return nil end
  local function char(digits) return string.char(tonumber(digits, 16)) end
  return (text:gsub("%%(%x%x)", char))
end

local function encode(text)
  return (text:gsub("[^%w._~-]", function(char) return ("%%%02X"):format(char:byte()) end))
end

local function number(text, largest)
  local value = #text <= 9 and text:find("^%d+$") and tonumber(text)
  return value and value <= largest and value or nil
end

--- Reads `redis[s]://[user@]host[:port][/db]`. An IPv6 address is in brackets, and a user's name
-- may have `%XX` for a byte.
-- @tparam string text
-- @treturn[1] table address
-- @return[2] nil
-- @treturn[2] string message
function url.parse(text)
  local scheme, rest = text:match("^(rediss?)://(.*)$")
  if not scheme then return nil, FORM end
  local user = rest:match("^(.*)@")
  if user and user:find(":", 1, true) then
    return nil, ("a password is never given on the command line, where others see it: put it "
                 .. "into %s, or into a file for --password-file"):format(PASSWORD)
  end
  local place = user and rest:sub(#user + 2) or rest
  local host, after = place:match("^%[([%x:.]*:[%x:.]*)%](.*)$")
  if not host then host, after = place:match("^([%w._-]+)(.*)$") end
  if not host or #host > 253 then return nil, FORM end
  local port, db = after:match("^:(%w+)(.*)$")
  if not port then port, db = "", after end
  db = db:match("^/?$") and "" or db:match("^/(%w+)$")
  if not db then return nil, FORM end
  local address = { host = host, db = 0, port = PORT, tls = scheme == "rediss" }
  if user then
    address.user = decode(user)
    if not address.user or address.user == "" or address.user:find("[%c%s]") then
      return nil, "the user's name in the server's URL is malformed"
    end
  end
  if port ~= "" then
    address.port = number(port, 65535)
    if not address.port or address.port == 0 then
      return nil, "the port in the server's URL is not one of 1 to 65535"
    end
  end
  if db ~= "" then
    address.db = number(db, 999999999)
    if not address.db then return nil, "the database in the server's URL is not a number" end
  end
  return address
end

--- The URL of an address, without secrets.
-- @tparam table address
-- @treturn string
function url.show(address)
  local host = address.host:find(":", 1, true) and "[" .. address.host .. "]" or address.host
  return ("%s://%s%s:%d%s"):format(address.tls and "rediss" or "redis",
    address.user and encode(address.user) .. "@" or "", host, address.port,
    address.db > 0 and "/" .. ("%d"):format(address.db) or "")
end

local function is_loopback(host)
  return host:lower() == "localhost" or host == "::1" or host:find("^127%.%d+%.%d+%.%d+$") ~= nil
end

local function password_in(path)
  local file, message = io.open(path, "rb")
  if not file then return nil, message, "system" end
  local text, why = file:read(LONGEST_PASSWORD + 2)
  file:close()
  if not text and why then return nil, path .. ": " .. why, "system" end
  text = (text or ""):gsub("\r?\n$", "")
  if text == "" or #text > LONGEST_PASSWORD or text:find("[\r\n%z]") then
    return nil, path .. " does not hold one password, on one line", "invalid"
  end
  return text
end

--- Reads a URL, and adds to the address what the options and the environment say.
-- The password is that in the file, or else that in the environment variable IPMMAP_REDIS_PASSWORD.
-- @tparam string text the URL
-- @tparam[opt] table options
-- @tparam[opt] string options.password_file path of a file whose one line is the password
-- @tparam[opt] string options.ca with TLS: path of a PEM file with the certificates of the CAs that
--   the server's certificate may be from; default: the system's
-- @tparam[opt] string options.cert with TLS: path of a PEM file with the client's certificate, and
--   those between it and its CA
-- @tparam[opt] string options.key path of a PEM file with the key of `cert`, without a passphrase
-- @tparam[opt=false] boolean options.insecure allows another machine without TLS
-- @treturn[1] table address
-- @return[2] nil
-- @treturn[2] string message
-- @treturn[2] string code: `"invalid"`, `"system"`
function url.options(text, options)
  options = options or {}
  local address, message = url.parse(text)
  if not address then return nil, message, "invalid" end
  if not address.tls then
    if options.ca or options.cert or options.key then
      return nil, "--ca, --cert and --key are for TLS, which is rediss://", "invalid"
    elseif not (options.insecure or is_loopback(address.host)) then
      return nil, ("%s: without TLS anybody in the network can read and change what is sent: "
                   .. "use rediss://, or --insecure in a network that you trust")
                  :format(url.show(address)), "invalid"
    end
  end
  if (options.cert == nil) ~= (options.key == nil) then
    return nil, "--cert and --key belong together", "invalid"
  end
  address.ca, address.cert, address.key = options.ca, options.cert, options.key
  if options.password_file then
    local password, why, code = password_in(options.password_file)
    if not password then return nil, why, code end
    address.password = password
  else
    local password = os.getenv(PASSWORD)
    if password ~= "" then address.password = password end
  end
  return address
end

return url
