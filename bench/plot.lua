--- Draws bench/results.svg with gnuplot: the times of all ways to read and write, and how they
-- grow.

local GROWN = { "sizes.open", "sizes.write", "sizes.snapshot", "sizes.recovery", "arrays.totable",
  "arrays.bytes", "arrays.setbytes", "arrays.assign" }

local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  assert(file:write(text))
end

--- Lines of "label" median low high for gnuplot, in the table's order.
local function bars(section, metrics)
  local rows, lines = {}, {}
  for i = 2, #section do
    local summary = metrics[section[i][1]]
    if summary then
      rows[#rows + 1] = { label = section[i][2], ours = section[i][1]:match "^lua" or
        section[i][1]:match "^c%.", summary = summary }
    end
  end
  for i, row in ipairs(rows) do
    lines[i] = ("%d \"%s\" %g %g %g %d"):format(i, row.label, row.summary.median,
      row.summary.low, row.summary.high, row.ours and 1 or 2)
  end
  return table.concat(lines, "\n") .. "\n", #rows
end

local HEAD = [[
set terminal svg size 1200,1500 font "sans,12" background "white" noenhanced
set output "bench/results.svg"
set multiplot
set style fill solid 0.7 noborder
set grid xtics
]]

local BARS = [[
set origin 0,%g
set size 1,0.34
set lmargin at screen 0.42
set title "%s (median of the rounds; log scale)"
set logscale x
set xrange [1:*]
set yrange [0.3:%g] reverse
unset key
plot "%s" using (0.5*($3+1)):1:(0.5*($3-1)):(0.38):($6):ytic(2) \
     with boxxyerror linecolor variable, \
     "" using 3:1:4:5 with xerrorbars linecolor "black" pointtype 0
]]

local LINES = [[
set origin 0,0
set size 1,0.32
set lmargin at screen 0.1
set title "How it grows, ns (log scales): structs by bytes, arrays by elements"
set logscale xy
set xrange [1:*]
set yrange [1:*] noreverse
set ytics autofreq
set grid xtics ytics
set key outside right
plot %s
]]

return function(results, plan, directory)
  local script = { HEAD }
  for i = 1, 2 do
    local data, count = bars(plan.sections[i], results.metrics)
    local path = ("%s/bars%d"):format(directory, i)
    write(path, data)
    script[#script + 1] = BARS:format(1 - 0.34 * i, plan.sections[i][1], count + 0.7, path)
  end
  local curves = {}
  for _, result in ipairs(results.growth) do
    for _, metric in ipairs(GROWN) do
      if result.metric == metric and #result.points > 0 then
        local path = ("%s/%s"):format(directory, metric)
        local lines = {}
        for j, point in ipairs(result.points) do
          lines[j] = ("%g %g"):format(point.x, point.y)
        end
        write(path, table.concat(lines, "\n") .. "\n")
        curves[#curves + 1] = ('"%s" with linespoints title "%s"'):format(path, metric)
      end
    end
  end
  script[#script + 1] = LINES:format(table.concat(curves, ", "))
  local path = directory .. "/plot"
  write(path, table.concat(script))
  if os.execute(("gnuplot '%s'"):format(path)) then
    print "\nWritten: bench/results.json, bench/results.svg"
  else
    print "\nWritten: bench/results.json; no plot without gnuplot"
  end
end
