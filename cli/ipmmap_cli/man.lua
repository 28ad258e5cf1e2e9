--- ipmmap man: prints the manual page, generated from the parser.
local output = require "ipmmap_cli.output"

local function escape(text)
  return (("\n" .. text):gsub("\\", "\\e"):gsub("%-", "\\-"):gsub("\n([.'])", "\n\\&%1"):sub(2))
end

-- Adds a list of options or arguments: the names of each, and its description.
local function add_elements(lines, elements)
  for _, element in ipairs(elements) do
    local labels = element:_get_label_lines()
    lines[#lines + 1] = ".TP"
    lines[#lines + 1] = ".B " .. escape(table.concat(labels, ", "))
    lines[#lines + 1] = escape(element:_get_description())
  end
end

local function usage(parser)
  return (parser:get_usage():gsub("^Usage: ", ""):gsub("%s+", " "))
end

local function add_command(lines, command)
  lines[#lines + 1] = ".SS " .. escape(command._name)
  lines[#lines + 1] = escape(command._description or command._summary)
  lines[#lines + 1] = ".PP"
  lines[#lines + 1] = ".B " .. escape(usage(command))
  add_elements(lines, command._arguments)
  add_elements(lines, command._options)
  if command._epilog then
    local heading, example = command._epilog:match("^(%w+):%s*(.*)$")
    lines[#lines + 1] = ".PP"
    lines[#lines + 1] = heading .. ":"
    lines[#lines + 1] = ".RS\n.nf\n" .. escape(example) .. "\n.fi\n.RE"
  end
end

return function(_, parser)
  local lines = {
    ".TH IPMMAP 1",
    ".SH NAME",
    "ipmmap \\- look into shared memory segments, and work on them",
    ".SH SYNOPSIS",
    ".B " .. escape(usage(parser)),
    ".SH DESCRIPTION",
    escape(parser._description),
    "Data files describe themselves, so no definition in Lua is needed. What is printed goes to",
    "standard output, in colour on a terminal unless NO_COLOR is set; errors go to standard error.",
    ".SH OPTIONS",
  }
  add_elements(lines, parser._options)
  lines[#lines + 1] = ".SH COMMANDS"
  for _, command in ipairs(parser._commands) do add_command(lines, command) end
  lines[#lines + 1] = ".SH EXIT STATUS"
  for status, meaning in (parser._epilog:match(":%s*(.*)%.$") .. ";"):gmatch("(%d+)%s+(.-);%s*") do
    lines[#lines + 1] = (".TP\n.B %s\n%s"):format(status, escape((meaning:gsub("%s+", " "))))
  end
  lines[#lines + 1] = ".SH ENVIRONMENT\n.TP\n.B NO_COLOR\nNo colours, if set to anything."
    .. "\n.TP\n.B IPMMAP_REDIS_PASSWORD\nThe password of share, follow and set \\-\\-url."
  output.write(table.concat(lines, "\n"), "\n")
end
