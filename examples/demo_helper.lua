--- Shared by the two demos: ending by Ctrl-C, and printing structs.
local helper = {}

-- A program that reads the output through a pipe gets each line at once.
io.stdout:setvbuf("line")

local SHOWN <const> = 3 -- elements of an array

local function text(value)
  if type(value) == "string" then return ("%q"):format(value) end
  if math.type(value) == "float" then return ("%.3f"):format(value) end
  if type(value) ~= "userdata" then return tostring(value) end
  local parts = {}
  for key, part in pairs(value) do
    if math.type(key) == "integer" and key > SHOWN then
      parts[key] = ("... %d in all"):format(#value)
      break
    end
    parts[#parts + 1] = (math.type(key) and "" or key .. " = ") .. text(part)
  end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

--- Prints a struct, one line per field, in memory order.
-- @param struct a view, or a value
function helper.show(struct)
  for name, field in pairs(struct) do print(("    %-12s %s"):format(name, text(field))) end
end

--- The time of day.
-- @tparam number time Unix seconds
-- @treturn string to the millisecond
function helper.clock(time)
  return os.date("%H:%M:%S", time // 1 | 0) .. (".%03d"):format(time % 1 * 1000 // 1 | 0)
end

--- Runs a program until Ctrl-C, which lua5.4 raises as an error, and ends with success.
-- @tparam function program
-- @tparam function goodbye called after Ctrl-C
function helper.run(program, goodbye)
  local ok, message = pcall(program)
  if not ok and not tostring(message):find("interrupted!", 1, true) then error(message, 0) end
  goodbye()
end

return helper
