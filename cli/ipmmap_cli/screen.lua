--- Makes the screen of `ipmmap watch`: lines of text for a terminal of a given size.
local output = require "ipmmap_cli.output"

local screen = {}

local FRESH <const> = 1 -- seconds for which a changed value is highlighted
local BARS <const> = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" }
local ASCII <const> = { "_", ".", "-", "=", "+", "*", "#", "@" }
local MIN_SPARK <const> = 8 -- columns; in less space no sparkline is shown
local HIGHLIGHT <const>, SELECTED <const>, PLAIN <const> = "\27[1;33m", "\27[7m", "\27[0m"

local function length(text)
  return utf8.len(text) or #text
end

-- The text, cut or padded to exactly `width` columns.
local function fit(text, width)
  if width <= 0 then return "" end
  local count = length(text)
  if count <= width then return text .. (" "):rep(width - count) end
  return text:sub(1, utf8.offset(text, width) - 1) .. "~"
end

-- The same for a path, which is cut at its beginning, because its end tells more.
local function fit_path(text, width)
  local count = length(text)
  if count <= width then return fit(text, width) end
  if width <= 0 then return "" end
  local start = utf8.offset(text, count - width + 2) -- in Lua 5.5 it returns the end, too
  return "~" .. text:sub(start)
end

local function has_utf8()
  local locale = os.getenv("LC_ALL") or os.getenv("LC_CTYPE") or os.getenv("LANG") or ""
  return locale:upper():gsub("-", ""):find("UTF8", 1, true) ~= nil
end

local bars = has_utf8() and BARS or ASCII

--- A sparkline of the last samples. The lowest and the highest bar are the least and the greatest
-- of them.
function screen.spark(samples, width)
  local first = math.max(1, #samples - width + 1)
  local low, high = math.huge, -math.huge
  for i = first, #samples do
    local sample = samples[i]
    if sample == sample and math.abs(sample) ~= math.huge then
      low, high = math.min(low, sample), math.max(high, sample)
    end
  end
  local parts = {}
  for i = first, #samples do
    local sample = samples[i]
    local level = 1
    if sample ~= sample then
      level = nil
    elseif high > low then
      level = 1 + math.floor((math.min(math.max(sample, low), high) - low) / (high - low) * 7)
    end
    parts[#parts + 1] = level and bars[level] or " "
  end
  return table.concat(parts)
end

-- The widths of the columns path, value and sparkline. One space separates them.
local function columns(rows, width)
  local path, text = 4, 5
  for _, row in ipairs(rows) do
    path, text = math.max(path, length(row.path)), math.max(text, length(row.text) + 1)
  end
  path = math.min(path, width // 2)
  text = math.min(text, width - path - 1)
  local spark = width - path - text - 2
  if spark < MIN_SPARK then return path, width - path - 1, 0 end
  return path, text, spark
end

-- @param edited the text to show in place of the value, or nil
local function line(row, now, widths, is_selected, edited)
  local has_colour = output.has_colour()
  local is_fresh = not edited and row.changed and now - row.changed < FRESH
  local shown = fit(edited or (is_fresh and not has_colour and "*" or "") .. row.text, widths.text)
  if is_fresh and has_colour then shown = HIGHLIGHT .. shown .. PLAIN end
  local path = fit_path(row.path, widths.path)
  if is_selected and has_colour then path = SELECTED .. path .. PLAIN end
  local parts = { path, shown }
  if widths.spark > 0 then parts[3] = screen.spark(row.samples or {}, widths.spark) end
  local mark = has_colour and "" or is_selected and "> " or "  "
  return mark .. table.concat(parts, " ")
end

--- How many rows fit on a screen.
function screen.room(height) return math.max(height - 2, 1) end

-- The last line: what is searched, a message, or which keys do what.
local function footer(cursor, first, shown, count, room)
  if cursor.mode == "search" then
    return "/" .. cursor.line:text() .. (cursor.message and "  " .. cursor.message or "")
  elseif cursor.message then
    return cursor.message
  elseif cursor:edits() then
    return "Enter sets the value, Esc cancels"
  end
  local scroll = count > room and (", arrows scroll: %d-%d of %d"):format(first, first + shown - 1,
    count) or ""
  return "q quits" .. scroll .. ", / searches, Enter edits"
end

--- The lines of the screen.
-- @param title the segment's name
-- @param cursor what is selected, and what the keys do
-- @return a list of lines; and the row and column of the cursor, if a text is edited
function screen.render(history, title, cursor, width, height, now)
  local heading = ("%s  version %d  %.1f commits/s"):format(title, history.version,
    history:rate(now))
  local lines = { output.paint("bold", fit(heading, width)) }
  local room = screen.room(height)
  cursor:settle()
  local first, indent = cursor:first(room), output.has_colour() and 0 or 2
  local rows = table.move(history.rows, first, math.min(first + room - 1, #history.rows), 1, {})
  local path, text, spark = columns(rows, math.max(width - indent, 1))
  if cursor:edits() then text, spark = math.max(width - indent - path - 1, 1), 0 end
  local widths, row, column = { path = path, text = text, spark = spark }, nil, nil
  for i, shown in ipairs(rows) do
    local is_selected, edited = first + i - 1 == cursor.selected, nil
    if is_selected and cursor:edits() then
      edited, column = cursor.line:shown(text)
      row, column = i + 1, indent + path + 2 + column
    end
    lines[i + 1] = line(shown, now, widths, is_selected, edited)
  end
  lines[#lines + 1] = output.paint("dim", fit(footer(cursor, first, #rows, #history.rows, room),
    width))
  if cursor.mode == "search" then
    row, column = #lines, math.min(2 + cursor.line.at, width)
  end
  return lines, row, column
end

return screen
