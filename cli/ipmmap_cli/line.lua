--- A line of text that the user edits.
local text = require "ipmmap_cli.text"

local Line = {}
Line.__index = Line

--- The text of the line.
function Line:text() return table.concat(self.characters) end

--- Edits the line as a key asks for.
-- @return whether the text changed
function Line:press(key)
  local characters, at = self.characters, self.at
  if key == "left" then
    self.at = math.max(at - 1, 0)
  elseif key == "right" then
    self.at = math.min(at + 1, #characters)
  elseif key == "home" then
    self.at = 0
  elseif key == "end" then
    self.at = #characters
  elseif key == "backspace" and at > 0 then
    table.remove(characters, at)
    self.at = at - 1
    return true
  elseif key == "delete" and at < #characters then
    table.remove(characters, at + 1)
    return true
  elseif key == "clear" then
    self.characters, self.at = {}, 0
    return true
  elseif utf8.len(key) == 1 and text.visible(key) == key then
    table.insert(characters, at + 1, key)
    self.at = at + 1
    return true
  end
  return false
end

--- The part of the line to show in `width` columns, and the cursor's column in it, from 0.
function Line:shown(width)
  local from = math.max(self.at - width + 2, 1)
  local last = math.min(#self.characters, from + width - 1)
  return table.concat(self.characters, "", from, last), self.at - from + 1
end

--- @param start the text at first; the cursor is at its end
return function(start)
  local characters = {}
  for character in start:gmatch(utf8.charpattern) do characters[#characters + 1] = character end
  return setmetatable({ characters = characters, at = #characters }, Line)
end
