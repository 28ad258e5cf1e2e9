--- Makes docs/watch.svg: what `ipmmap watch` shows on a terminal while a process is changing the
-- segment. Run it in the source tree, after make test:
--     lua5.4 tools/watch_picture.lua > docs/watch.svg
package.path = "./?.lua;./lua/?.lua;./lua/?/init.lua;" .. package.path
package.cpath = "./build/?.so;" .. package.cpath
local cli = require "spec.helper.cli"
local process = require "spec.helper.process"
local tmpdir = require "spec.helper.tmpdir"

local COLUMNS <const>, LINES <const> = 76, 13
local CHARACTER <const>, LINE <const>, MARGIN <const> = 8.4, 18, 12 -- pixels
local PLAIN <const> = ' fill="#e6edf3"'
local STYLES <const> = {
  ["1"] = ' fill="#e6edf3" font-weight="bold"', ["2"] = ' fill="#8b949e"',
  ["1;33"] = ' fill="#f2cc60" font-weight="bold"',
}

local dir = tmpdir()
local writer = process.spawn([[
  local ipmmap = require "ipmmap"
  ipmmap.struct("Wind", { { "speed", "float" }, { "degrees", "uint16" } })
  local Weather = ipmmap.base:extend("Weather", {
    { "station", "char[16]" }, { "celsius", "double" }, { "wind", "Wind" },
    { "hourly", "float[4]" },
  })
  local manager = assert(ipmmap.manager(Weather, { create = true, tag = "oslo", mmap_dir = ... }))
  manager:set { station = "Oslo", hourly = { -3, -2.5, -2, -2 } }
  print("ready")
  for i = 1, math.huge do
    manager:set {
      celsius = math.floor(100 * (3 * math.sin(i / 9) - 2)) / 100,
      wind = { speed = 4 + i % 12 / 4, degrees = (270 + i * 7) % 360 },
    }
    ipmmap.sleep(0.04)
  end
]], dir)
writer:expect("ready")

local terminal = cli.terminal(COLUMNS, LINES, {
  "watch", dir .. "/Weather_oslo.mmap", env = { "TERM=xterm", "LC_ALL=C.UTF-8" },
})
terminal:wait_for(function(lines)
  return tonumber((lines[1] or ""):match("version (%d+)") or 0) > 70
end)
local frame = terminal.output:match(".*\27%[H(.-)\27%[J")
terminal:send("q")
terminal:finish()
writer:kill()

local function escape(text)
  return (text:gsub("&", "&amp;"):gsub("<", "&lt;"):gsub(">", "&gt;"))
end

-- One text element for each word, so that it stands in its column in any font.
local function draw(line, number)
  local style, column, y = nil, 0, MARGIN + number * LINE
  for text, codes in (line .. "\27[m"):gmatch("(.-)\27%[([%d;]*)[mK]") do
    for at, word in text:gmatch("()(%S+)") do
      print(('<text x="%.1f" y="%d" textLength="%.1f"%s>%s</text>'):format(
        MARGIN + (column + utf8.len(text, 1, at) - 1) * CHARACTER, y, utf8.len(word) * CHARACTER,
        style or PLAIN, escape(word)))
    end
    column = column + utf8.len(text)
    style = STYLES[codes]
  end
end

print(('<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%d" font-size="14" '
  .. 'font-family="DejaVu Sans Mono, Menlo, Consolas, monospace">'):format(
  2 * MARGIN + COLUMNS * CHARACTER, 2 * MARGIN + LINES * LINE))
print('<rect width="100%" height="100%" rx="8" fill="#0d1117"/>')
local number = 0
for line in (frame .. "\r\n"):gmatch("(.-)\r+\n") do
  number = number + 1
  draw(line, number)
end
print("</svg>")
