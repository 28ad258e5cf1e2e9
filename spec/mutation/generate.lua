--- Generates mutants by rules: each changes one thing in one line.
local source = require "spec.mutation.source"

-- Replacements: a pattern without captures, and the text that replaces it. Patterns do not match
-- inside quotes or comments.
local operators <const> = {
  { " == ", " != " }, { " != ", " == " }, { " <= ", " < " }, { " < ", " <= " }, { " >= ", " > " },
  { " > ", " >= " }, { " && ", " || " }, { " || ", " && " },
  { " %+ 1", "" }, { " %- 1", "" },
  { "memory_order_release", "memory_order_relaxed" },
  { "memory_order_acquire", "memory_order_relaxed" },
  { "memory_order_seq_cst", "memory_order_relaxed" },
  { "return true;", "return false;" }, { "return false;", "return true;" },
}

-- The line with all text in quotes and comments blanked out, so that no pattern matches there.
local function bare(line)
  local function blank(text) return ("\1"):rep(#text) end
  return (line:gsub('"[^"]*"', blank):gsub("/%*.-%*/", blank):gsub("/%*.*$", blank))
end

-- The first and last position of an if's condition without an operator that could be replaced; or
-- nil.
local function condition(line)
  local first, last = line:match("^if %(().*()%) {$")
  if not first then first, last = line:match("^if %(().*()%)$") end
  if not first then first, last = line:match("^} else if %(().*()%) {$") end
  if not first then return end
  local text = line:sub(first, last - 1)
  if not text:match(" [=!<>]=? ") and not text:match(" [&|][&|] ") then
    return first, last - 1
  end
end

local function mutants_of(line)
  local found = {}
  local code = bare(line)
  local function add(first, last, text)
    found[#found + 1] = line:sub(1, first - 1) .. text .. line:sub(last + 1)
  end
  for _, operator in ipairs(operators) do
    for first, last in code:gmatch("()" .. operator[1] .. "()") do
      add(first, last - 1, operator[2])
    end
  end
  local first, last = condition(code)
  if first then add(first, last, ("!(%s)"):format(line:sub(first, last))) end
  if code:match("^[%w_]+%(.*%);") or code:match("^[%w_>.*-]+ [-+|&]?= .*;") then
    add(1, code:find(";[^;]*$"), ";") -- drop a call or an assignment
  end
  local assigned = code:match("^i?n?t? ?code = ()[%w_]+%(.*%);")
  if assigned then add(assigned, code:find(";", 1, true), "IPM_OK;") end
  return found
end

--- All mutants of a file: a list of `{ file, name, number, old, new }`.
return function(file)
  local all = {}
  local _, lines = source.functions(file)
  for _, line in ipairs(lines) do
    for _, new in ipairs(mutants_of(line.text)) do
      all[#all + 1] = { file = file, name = line.name, number = line.number, old = line.text,
        new = new }
    end
  end
  return all
end
