--- The keys of a terminal.
local keys = {}

-- Some keys have several entries, because terminals send different sequences.
local NAMES <const> = {
  ["\27[A"] = "up", ["\27OA"] = "up", ["\27[B"] = "down", ["\27OB"] = "down",
  ["\27[C"] = "right", ["\27OC"] = "right", ["\27[D"] = "left", ["\27OD"] = "left",
  ["\27[H"] = "home", ["\27OH"] = "home", ["\27[1~"] = "home", ["\27[7~"] = "home",
  ["\27[F"] = "end", ["\27OF"] = "end", ["\27[4~"] = "end", ["\27[8~"] = "end",
  ["\27[5~"] = "page up", ["\27[6~"] = "page down", ["\27[3~"] = "delete",
  ["\r"] = "enter", ["\n"] = "enter", ["\27"] = "escape", ["\127"] = "backspace",
  ["\8"] = "backspace", ["\3"] = "interrupt", ["\4"] = "end of input",
  ["\1"] = "home", ["\5"] = "end", ["\21"] = "clear",
}

--- Calls visit(key) for each key in the bytes that a terminal sent: its name, or the character that
-- it types.
function keys.each(bytes, visit)
  local at = 1
  while at <= #bytes do
    local key = bytes:match("^\27[%[O][%d;]*[%a~]", at) or bytes:match("^" .. utf8.charpattern, at)
      or bytes:sub(at, at)
    visit(NAMES[key] or key)
    at = at + #key
  end
end

return keys
