--- Prints the results as a table for people, if asked to with the results of an earlier run beside
-- them.

local lines

local function put(...)
  lines[#lines + 1] = table.concat({ ... }, "\t")
end

local function number(value)
  if not value then
    return "left out"
  elseif value == 0 then
    return "0"
  elseif value < 0.1 then
    return ("%.3f"):format(value)
  elseif value < 10 then
    return ("%.2f"):format(value)
  elseif value < 100 then
    return ("%.1f"):format(value)
  end
  local digits = ("%.0f"):format(value)
  return (digits:reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", ""))
end

local function spread(summary)
  return summary and ("%s to %s"):format(number(summary.low), number(summary.high)) or ""
end

--- The difference of a median to an earlier one, with a star if the two ranges do not overlap.
local function comparison(summary, earlier)
  if not (summary and summary.median and earlier and earlier.median) then
    return ""
  end
  local is_apart = summary.low > earlier.high or summary.high < earlier.low
  local change = earlier.median ~= 0
    and (", %+.0f %%"):format(100 * (summary.median / earlier.median - 1)) or ""
  return ("was %s%s%s"):format(number(earlier.median), change, is_apart and " *" or "")
end

local function line(name, value, text, compared)
  local row = ("  %-68s %12s  %-36s  %s"):format(name, value, text, compared)
  put((row:gsub(" +$", "")))
end

local function targets(list, earlier)
  put "\nTargets (median of the rounds' ratios, and between which they lay)"
  for _, target in ipairs(list) do
    local bar = target.least and "at least " .. target.least or "at most " .. target.most
    local verdict = target.is_reached == nil and "left out"
      or target.is_reached and "reached" or "MISSED"
    line(target.name, number(target.median), ("%-12s %-9s %s"):format(
      bar, verdict, target.median and spread(target) or ""),
      comparison(target, earlier[target.name]))
  end
end

local function section(list, metrics, earlier)
  put("\n" .. list[1])
  for i = 2, #list do
    local summary = metrics[list[i][1]]
    line(list[i][2], number(summary and summary.median), spread(summary),
      comparison(summary, earlier[list[i][1]]))
  end
end

local function growth(list)
  put "\nHow it grows (the slope e: as the size to the power of e)"
  for _, result in ipairs(list) do
    put(("  %s: slope %.2f"):format(result.name, result.slope))
    local cells = {}
    for _, point in ipairs(result.points) do
      cells[#cells + 1] = ("%d: %s"):format(point.x, number(point.y))
    end
    put("    " .. table.concat(cells, "  "))
  end
end

local function by_name(list)
  local named = {}
  for _, entry in ipairs(list) do
    named[entry.name] = entry
  end
  return named
end

--- The table as text. `earlier` are the results of another run, or nil.
return function(results, sections, earlier)
  lines = {}
  for _, fact in ipairs(results.machine) do
    put(("%-11s %s"):format(fact[1], fact[2]))
  end
  put(("%-11s %d%s"):format("rounds", results.rounds,
    results.is_quick and " (QUICK: short, so less exact)" or ""))
  if earlier then
    put(("\nWas: the run of %s, commit %s. A star: the ranges of the two runs do not meet."):format(
      earlier.machine[1][2], earlier.machine[2][2]))
  end
  targets(results.targets, earlier and by_name(earlier.targets) or {})
  for _, list in ipairs(sections) do
    section(list, results.metrics, earlier and earlier.metrics or {})
  end
  growth(results.growth)
  if #results.left_out > 0 then
    put("\nLeft out, since they could not be had here: " .. table.concat(results.left_out, ", "))
  end
  return table.concat(lines, "\n") .. "\n"
end
