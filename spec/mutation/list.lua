--- Reads lists of mutants: the files `mutants` and `survivors` in this directory. An entry has a
-- line with the file and the function, a line `- ` with the original line, `+ ` with its
-- replacement, and `= ` with the reason for the entry. If a function has several equal lines, the
-- first one is meant.
local source = require "spec.mutation.source"

local list = {}

--- Reads a list of mutants `{ file, name, old, new, reason }`.
function list.read(path)
  local all, mutant = {}, nil
  local parts <const> = { ["-"] = "old", ["+"] = "new", ["="] = "reason" }
  for line in io.lines(path) do
    local mark, text = line:match("^([-+=]) (.*)$")
    local file, name = line:match("^(src/%S+) (.+)$")
    if file then
      mutant = { file = file, name = name }
      all[#all + 1] = mutant
    elseif mark then
      assert(mutant, path .. ": a line before any mutant: " .. line)
      mutant[parts[mark]] = text
    end
  end
  return all
end

--- Finds the mutants' lines in the sources and sets their `number`. Returns the mutants whose line
-- no longer exists.
function list.locate(mutants)
  local files, lost = {}, {}
  for _, mutant in ipairs(mutants) do
    if not files[mutant.file] then
      local _, lines = source.functions(mutant.file)
      files[mutant.file] = lines
    end
    for _, line in ipairs(files[mutant.file]) do
      if line.name == mutant.name and line.text == mutant.old then
        mutant.number = line.number
        break
      end
    end
    if not mutant.number then lost[#lost + 1] = mutant end
  end
  return lost
end

--- A key that identifies a mutant, also if its line has moved.
function list.key(mutant)
  return table.concat({ mutant.file, mutant.name, mutant.old, mutant.new }, "\n")
end

return list
