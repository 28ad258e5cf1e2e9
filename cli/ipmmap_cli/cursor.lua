--- What `ipmmap watch` does at a key: the row that is selected, the search, the line in which a
-- value is edited.
local new_line = require "ipmmap_cli.line"
local start_change = require "ipmmap_cli.change"
local text = require "ipmmap_cli.text"
local value = require "ipmmap_cli.value"

local Cursor = {}
Cursor.__index = Cursor

local LETTERS <const> = { k = "up", j = "down", g = "home", G = "end", [" "] = "page down" }

-- Selects the next row, from the row `from` on, whose path has the text that is searched. `step` is
-- 1 or -1. Returns whether there is one.
function Cursor:find(from, step)
  local wanted = self.wanted:lower()
  for i = 0, #self.rows - 1 do
    local number = (from - 1 + i * step) % #self.rows + 1
    if self.rows[number].path:lower():find(wanted, 1, true) then
      self.selected = number
      return true
    end
  end
  self.message = ("no path has '%s'"):format(self.wanted)
  return false
end

-- The row's value as the user can edit it. A text that cannot be typed begins as an empty one.
local function editable(row)
  if not value.is_text(value.held(row.type, row.data)) then
    return value.write(row.type, row.data)
  end
  return text.visible(row.data) == row.data and row.data or ""
end

local modes = {}

-- Moving about.
function modes.move(self, key, room)
  key = LETTERS[key] or key
  local steps = {
    up = -1, down = 1, ["page up"] = -room, ["page down"] = room, home = -#self.rows,
    ["end"] = #self.rows,
  }
  self.message = nil
  if key == "q" or key == "end of input" then
    return "quit"
  elseif steps[key] then
    self.selected = math.max(1, math.min(self.selected + steps[key], #self.rows))
  elseif key == "/" then
    self.mode, self.line, self.origin = "search", new_line(""), self.selected
  elseif (key == "n" or key == "N") and self.wanted then
    local step = key == "n" and 1 or -1
    self:find(self.selected + step, step)
  elseif key == "enter" and self.row.path:find("^#") then
    self.message = ("%s cannot be edited: set the elements, or %s as a whole"):format(self.row.path,
      self.row.path:sub(2))
  elseif key == "enter" then
    self.mode, self.line = "edit", new_line(editable(self.row))
  end
end

-- A search goes to the first match while its text is typed.
function modes.search(self, key)
  if key == "escape" then
    self.mode, self.line, self.selected, self.message = "move", nil, self.origin, nil
  elseif key == "enter" then
    self.mode, self.line = "move", nil
  elseif self.line:press(key) then
    self.wanted, self.selected, self.message = self.line:text(), self.origin, nil
    self:find(self.origin, 1)
  end
end

-- A refused value shows why, and the editing goes on.
function modes.edit(self, key)
  if key == "escape" then
    self.mode, self.line, self.message = "move", nil, nil
  elseif key == "enter" then
    self.mode, self.message = "wait", "setting it..."
    self.give_up = start_change(self.args, self.S, self.row.path, self.line:text(),
      self.guard, function(problem)
        self.mode, self.message = problem and "edit" or "move", problem
        if not problem then self.line = nil end
        self.on_change()
      end)
  elseif self.line:press(key) then
    self.message = nil
  end
end

-- The lock is not free yet.
function modes.wait(self, key)
  if key ~= "escape" then return end
  self.give_up()
  self.mode, self.message = "edit", nil
end

--- Does what a key asks for.
-- @param room how many rows fit on the screen
-- @return "quit", or nil
function Cursor:press(key, room)
  if key == "interrupt" then return "quit" end
  self:settle()
  local result = modes[self.mode](self, key, room)
  if not self:edits() then self.row = self.rows[self.selected] end
  return result
end

--- Keeps the selected row after rows came or went. If it went, its editing ends.
function Cursor:settle()
  self.selected = math.max(1, math.min(self.selected, #self.rows))
  local is_there = self.rows[self.selected] == self.row
  for number, row in ipairs(self.rows) do
    if not is_there and row == self.row then self.selected, is_there = number, true end
  end
  if not is_there and self:edits() then
    if self.mode == "wait" then self.give_up() end
    self.mode, self.line, self.message = "move", nil, self.row.path .. " is gone"
  end
  if not self:edits() then self.row = self.rows[self.selected] end
end

--- Whether the selected value is being edited.
function Cursor:edits() return self.mode == "edit" or self.mode == "wait" end

--- The number of the first row to show: the selected one, unless the last rows fit below an earlier
-- one.
function Cursor:first(room)
  return math.max(1, math.min(self.selected, #self.rows - room + 1))
end

--- @param on_change called when the screen has to be drawn although no key was pressed
return function(rows, S, args, guard, on_change)
  return setmetatable({
    rows = rows, S = S, args = args, guard = guard, on_change = on_change, selected = 1,
    mode = "move",
  }, Cursor)
end
