--- Splits C source into lines, each with the function that it is in.
local source = {}

local function read_file(path)
  local file = assert(io.open(path))
  local text = file:read("a")
  file:close()
  return text
end

--- The text of a file, and a list of `{ number, text, name }`: the lines inside functions, without
-- their indentation. Comments, preprocessor lines and the heads of functions are left out.
function source.functions(path)
  local text = read_file(path)
  local lines, name, is_inside, in_comment, number = {}, nil, false, false, 0
  for line in text:gmatch("(.-)\n") do
    number = number + 1
    if line == "}" then
      is_inside = false
    elseif is_inside then
      local code = line:match("^%s*(.-)$")
      if in_comment or code:match("^/%*") then
        in_comment = not code:match("%*/")
      elseif code ~= "" and not code:match("^#") then
        lines[#lines + 1] = { number = number, text = code, name = name }
      end
    else
      if line:match("^%a.*%(") then name = line:match("([%w_]+)%(") end
      is_inside = name ~= nil and line:match("^[%a ].*{$") ~= nil and not line:match("^%a[^(]*{$")
    end
  end
  return text, lines
end

--- Replaces one line of the text, and keeps the line's indentation.
function source.replace(text, number, code)
  local lines, at = {}, 0
  for line in text:gmatch("(.-)\n") do
    at = at + 1
    lines[at] = at == number and line:match("^%s*") .. code or line
  end
  return table.concat(lines, "\n") .. "\n"
end

return source
