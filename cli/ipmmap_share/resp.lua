--- Redis's protocol, RESP2: how calls are written, and replies read. All that is read is bounded.
local resp = {}

local DEEPEST = 16 -- arrays in arrays
local COST = 64 -- bytes that each part of a reply counts beside its own, as it takes memory

-- The number itself if it is exactly an integer, or nil or false.
local integer = rawget(math, "tointeger") or function(number)
  return number > -2 ^ 53 and number < 2 ^ 53 and number
end

--- A call as the server reads it.
-- @tparam table call its name and arguments: strings and integers; `n` of them, if `n` is there
-- @treturn string
function resp.encode(call)
  local count = call.n or #call
  local parts = { ("*%d\r\n"):format(count) }
  for i = 1, count do
    local argument = call[i]
    if type(argument) == "number" and argument % 1 == 0 then argument = ("%d"):format(argument) end
    if type(argument) ~= "string" then
      error(("argument %d of a call is neither a string nor an integer"):format(i), 3)
    end
    parts[#parts + 1] = ("$%d\r\n%s\r\n"):format(#argument, argument)
  end
  return table.concat(parts)
end

local function malformed(what)
  return nil, "the server sent a malformed reply: " .. what, "corrupt"
end

local function spend(reading, bytes)
  reading.left = reading.left - bytes
  if reading.left >= 0 then return true end
  return nil, "the server sent a reply that is too large", "corrupt"
end

local function read_string(reading, length)
  local within, why, kind = spend(reading, length)
  if not within then return nil, why, kind end
  local data, message, code = reading.receive(length + 2)
  if not data then return nil, message, code end
  if data:sub(-2) ~= "\r\n" then return malformed "a string's end" end
  return data:sub(1, -3)
end

local read_part

local function read_array(reading, count, depth)
  if depth > DEEPEST then return malformed "arrays too deep" end
  local list = {}
  for i = 1, count do
    local part, message, code = read_part(reading, depth + 1)
    if part == nil then return nil, message, code end
    list[i] = part
  end
  return list
end

function read_part(reading, depth)
  local line, message, code = reading.receive("*L")
  if not line then return nil, message, code end
  if line:sub(-2) ~= "\r\n" then return malformed "a line's end" end
  local within, why, kind = spend(reading, #line + COST)
  if not within then return nil, why, kind end
  local sort, text = line:sub(1, 1), line:sub(2, -3)
  if sort == "+" then
    return text
  elseif sort == "-" then
    reading.refusal = reading.refusal or text:gsub("%c", "?")
    return false
  end
  local number = #text <= 20 and text:find("^%-?%d+$") and integer(tonumber(text))
  if not number then return malformed "not a number" end
  if sort == ":" then
    return number
  elseif sort ~= "$" and sort ~= "*" or number < -1 then
    return malformed "neither a string nor an array"
  elseif number == -1 then
    return false
  end
  return (sort == "$" and read_string or read_array)(reading, number, depth)
end

--- Reads a reply, all of it even if parts of it are errors.
-- @tparam function receive called with a number of bytes, or `"*L"` for a line with its end (a line
--   that is too long comes without the end); returns them, or nil, message, code
-- @tparam integer limit bytes that the reply may have; each part of it counts 64 more
-- @treturn[1] string|integer|table|boolean the reply; false is null
-- @treturn[1] string|nil the message of the reply if it is an error, or of the first error in it,
--   which is false there
-- @treturn[1] integer what is left of `limit`
-- @return[2] nil
-- @treturn[2] string message
-- @treturn[2] string code: `"corrupt"`, or that of `receive`
function resp.read(receive, limit)
  local reading = { receive = receive, left = limit }
  local reply, message, code = read_part(reading, 1)
  if reply == nil then return nil, message, code end
  return reply, reading.refusal, reading.left
end

return resp
