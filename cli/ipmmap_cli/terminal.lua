--- Controls a terminal while a program draws the whole screen: raw keys, the alternate screen, the
-- terminal's size.
local uv = require "luv"

local terminal = {}

local ENTER <const> = "\27[?1049h\27[?25l\27[?7l" -- alternate screen, no cursor, no wrapping
local LEAVE <const> = "\27[?7h\27[?25h\27[?1049l"
local RAW <const> = 1

local keyboard, display

--- Takes control of the terminal.
-- @param on_key called with the bytes that a key sends
function terminal.enter(on_key)
  display = uv.new_tty(1, false)
  if uv.guess_handle(0) == "tty" then
    keyboard = uv.new_tty(0, true)
    keyboard:set_mode(RAW)
    keyboard:read_start(function(_, keys) if keys then on_key(keys) end end)
  end
  io.stdout:write(ENTER)
  io.stdout:flush()
end

--- Restores the terminal to its former state.
function terminal.leave()
  io.stdout:write(LEAVE)
  io.stdout:flush()
  uv.tty_reset_mode()
  if keyboard and not keyboard:is_closing() then keyboard:close() end
end

--- The terminal's number of columns and of lines.
function terminal.size()
  local width, height = display:get_winsize()
  if not width or width == 0 then return 80, 24 end
  return width, height
end

--- Draws the first `height` lines from the top of the screen. Shows the cursor in a row and column,
-- counted from 1, if they are given.
function terminal.draw(lines, height, row, column)
  local count = math.min(#lines, height)
  io.stdout:write("\27[H", table.concat(lines, "\27[K\r\n", 1, count), "\27[K\27[J",
    row and ("\27[%d;%dH\27[?25h"):format(row, column) or "\27[?25l")
  io.stdout:flush()
end

return terminal
