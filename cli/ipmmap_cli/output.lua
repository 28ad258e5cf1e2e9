--- Prints lines, tables and JSON. Output is in colour if stdout is a terminal and NO_COLOR is not
-- set.
local failure = require "ipmmap_cli.failure"
local json = require "ipmmap_cli.json"
local text = require "ipmmap_cli.text"
local uv = require "luv"

local output = {}

output.object, output.array = json.object, json.array

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

--- The text in a colour of CODES if the output is in colour, else the text itself.
function output.paint(name, shown)
  return colour and ("\27[%dm%s\27[0m"):format(CODES[name], shown) or shown
end

local EPIPE <const> = 32 -- the pipe's reader has closed it
local NO_ROOM <const> = { [27] = true, [28] = true, [122] = true } -- EFBIG, ENOSPC, EDQUOT

local function check_written(written, why, errno)
  if written then return end
  if errno == EPIPE then os.exit(141) end -- the status that shells give to a death by SIGPIPE
  failure.raise(NO_ROOM[errno] and "no_space" or "system",
    "cannot write to the standard output: %s", why)
end

--- Writes to stdout.
function output.write(...)
  check_written(io.stdout:write(...))
  check_written(io.stdout:flush())
end

function output.print(format, ...)
  output.write(select("#", ...) > 0 and format:format(...) or format, "\n")
end

--- Prints a line to stderr.
function output.say(format, ...)
  io.stderr:write("ipmmap: ", text.visible(format:format(...)), "\n")
end

function output.json(value)
  output.write(json.encode(value, true), "\n")
end

function output.json_line(value)
  output.write(json.encode(value), "\n")
end

local function width(cell)
  return utf8.len(cell) or #cell
end

local function visible(cells)
  local list = {}
  for i, cell in ipairs(cells) do list[i] = text.visible(cell) end
  return list
end

--- Prints rows in columns under headings. A column whose heading ends in ">" is aligned right.
function output.columns(headings, all)
  local rows = {}
  for i, cells in ipairs(all) do rows[i] = visible(cells) end
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
  line(titles, function(shown) return output.paint("bold", shown) end)
  for _, row in ipairs(rows) do line(row, function(shown) return shown end) end
end

--- A number with its noun, such as "1 commit" or "2 commits".
function output.count(number, noun)
  return ("%d %s%s"):format(number, noun, number == 1 and "" or "s")
end

--- A number of bytes for people, such as "1.2 MB".
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
