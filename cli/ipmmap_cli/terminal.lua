--- A terminal taken over for a while: raw keys, the other screen, its size.
local uv = require "luv"

local terminal = {}

local ENTER <const> = "\27[?1049h\27[?25l\27[?7l" -- other screen, no cursor, no wrapping
local LEAVE <const> = "\27[?7h\27[?25h\27[?1049l"
local RAW <const> = 1

local keyboard, display

--- Takes it over.
-- @param on_key called with what a key sends
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

--- Gives it back as it was.
function terminal.leave()
  io.stdout:write(LEAVE)
  io.stdout:flush()
  uv.tty_reset_mode()
  if keyboard and not keyboard:is_closing() then keyboard:close() end
end

--- Columns and lines.
function terminal.size()
  local width, height = display:get_winsize()
  if not width or width == 0 then return 80, 24 end
  return width, height
end

--- Shows lines, from the top.
function terminal.draw(lines, height)
  local count = math.min(#lines, height)
  io.stdout:write("\27[H", table.concat(lines, "\27[K\r\n", 1, count), "\27[K\27[J")
  io.stdout:flush()
end

return terminal
