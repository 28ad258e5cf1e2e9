--- Printing: to a terminal in colour unless NO_COLOR is set, to a pipe plainly; tables; JSON.
local json = require "dkjson"
local uv = require "luv"

local output = {}

--- Whether a standard stream (0, 1, 2) is a terminal.
function output.is_terminal(fd)
  return uv.guess_handle(fd) == "tty"
end

local function wants_colour()
  local no_colour = os.getenv("NO_COLOR")
  return output.is_terminal(1) and os.getenv("TERM") ~= "dumb" and (no_colour or "") == ""
end

local CODES <const> = { bold = 1, dim = 2, red = 31, green = 32, yellow = 33, cyan = 36 }
local colour = wants_colour()

function output.has_colour() return colour end

--- The text in a colour of CODES, where that is wanted.
function output.paint(name, text)
  return colour and ("\27[%dm%s\27[0m"):format(CODES[name], text) or text
end

--- Writes to stdout; whoever read from the other end of the pipe may have left.
function output.write(...)
  if not (io.stdout:write(...) and io.stdout:flush()) then os.exit(141) end
end

function output.print(format, ...)
  output.write(select("#", ...) > 0 and format:format(...) or format, "\n")
end

--- Prints to stderr.
function output.say(format, ...)
  io.stderr:write("ipmmap: ", format:format(...), "\n")
end

function output.json(value)
  output.write(json.encode(value, { indent = true }), "\n")
end

function output.json_line(value)
  output.write(json.encode(value), "\n")
end

--- A JSON object with its keys in that order: { { key, value }, ... }.
function output.object(pairs_in_order)
  local object, order = {}, {}
  for _, pair in ipairs(pairs_in_order) do
    object[pair[1]] = pair[2]
    order[#order + 1] = pair[1]
  end
  return setmetatable(object, { __jsonorder = order, __jsontype = "object" })
end

function output.array(list)
  return setmetatable(list, { __jsontype = "array" })
end

local function width(text)
  return utf8.len(text) or #text
end

--- Prints rows in columns under headings. A column whose heading ends in ">" is set flush right.
function output.columns(headings, rows)
  local widths, right = {}, {}
  local titles = {}
  for i, heading in ipairs(headings) do
    right[i] = heading:sub(-1) == ">"
    titles[i] = heading:gsub(">$", "")
    widths[i] = width(titles[i])
    for _, row in ipairs(rows) do widths[i] = math.max(widths[i], width(row[i])) end
  end
  local function line(cells, painter)
    local parts = {}
    for i, cell in ipairs(cells) do
      local padding = (" "):rep(widths[i] - width(cell))
      parts[i] = right[i] and padding .. cell or cell .. padding
    end
    output.print("%s", painter((table.concat(parts, "  "):gsub(" +$", ""))))
  end
  line(titles, function(text) return output.paint("bold", text) end)
  for _, row in ipairs(rows) do line(row, function(text) return text end) end
end

--- "1.2 MB" and the like.
function output.bytes(count)
  local units, unit = { "B", "kB", "MB", "GB", "TB" }, 1
  local amount = count
  while amount >= 1000 and unit < #units do
    amount, unit = amount / 1000, unit + 1
  end
  return unit == 1 and ("%d B"):format(count) or ("%.1f %s"):format(amount, units[unit])
end

function output.time(seconds)
  return seconds > 0 and os.date("%Y-%m-%d %H:%M:%S", math.floor(seconds)) or "never"
end

return output
