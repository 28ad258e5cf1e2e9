--- Lists of mutants, as `mutants` and `survivors` beside this file are: for each one a line with
-- the file and the function, `- ` the line as it is, `+ ` what it becomes, and `= ` the reason
-- why it is listed. Of several lines alike in a function the first one is meant.
local source = require "spec.mutation.source"

local list = {}

--- Read a list: `{ file, name, old, new, reason }` each.
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

--- Find the lines of mutants in the sources: sets `number`. Returns those that have none any more.
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

--- What tells one mutant from another, wherever its line has moved to.
function list.key(mutant)
  return table.concat({ mutant.file, mutant.name, mutant.old, mutant.new }, "\n")
end

return list
