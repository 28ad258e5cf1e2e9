--- ipmmap plot: draws values of a log over the time, by gnuplot.
local failure = require "ipmmap_cli.failure"
local gnuplot = require "ipmmap_cli.gnuplot"
local output = require "ipmmap_cli.output"
local recording = require "ipmmap_cli.recording"
local rows = require "ipmmap_cli.rows"
local value = require "ipmmap_cli.value"

-- gnuplot's terminals by the suffix of the picture's name.
local TERMINALS <const> = {
  svg = "svg size 960,540 noenhanced background 'white'",
  png = "pngcairo size 960,540 noenhanced",
  pdf = "pdfcairo size 9.6in,5.4in noenhanced",
}

local function terminal_of(path)
  local terminal = TERMINALS[(path:match("%.(%w+)$") or ""):lower()]
  if not terminal then
    failure.raise("usage", "--output: the name of a picture ends in .svg, .png or .pdf: '%s'", path)
  end
  return terminal
end

-- A value as gnuplot reads it.
local function cell_of(scalar)
  local type = value.held(scalar.type, scalar.data)
  if type.kind == "absent" then return "NaN" end
  if type.kind == "bool" then return scalar.data and "1" or "0" end
  local written = value.write({ kind = type.kind }, value.number(type, scalar.data))
  return written == "nan" and "NaN" or (written:gsub("inf", "Inf"))
end

local function check(scalars)
  for _, scalar in ipairs(scalars) do
    local type = scalar.type.kind == "optional" and scalar.type.element or scalar.type
    if not (value.is_number(type) or type.names or type.kind == "bool") then
      failure.raise("usage", "%s is %s, which has no curve: name numbers only", scalar.path,
        scalar.type.name)
    end
  end
end

-- The lines of the data: the seconds since the first row, and the values. And the first row's time.
local function data_of(next_row)
  local lines, cells, start = {}, {}, nil
  for changed, _, time in next_row do
    start = start or time
    for _, scalar in ipairs(changed) do cells[scalar.number] = cell_of(scalar) end
    lines[#lines + 1] = ("%.4f %s"):format(time - start, table.concat(cells, " "))
  end
  return lines, start
end

local function script_of(opened, terminal, scalars, lines, start)
  local title = opened.S.name .. (opened.tag ~= "" and (" '%s'"):format(opened.tag) or "")
  local curves = {}
  for i, scalar in ipairs(scalars) do
    curves[i] = ("$data using 1:%d with steps linewidth 1.5 title %s"):format(i + 1,
      gnuplot.quote(scalar.path))
  end
  return table.concat({
    "set terminal " .. terminal,
    "set title " .. gnuplot.quote(title),
    "set xlabel " .. gnuplot.quote("seconds since " .. output.time(start)),
    "set grid", "set key outside right top", "set autoscale xfix",
    "$data << EOD", table.concat(lines, "\n"), "EOD",
    "plot " .. table.concat(curves, ", "),
  }, "\n") .. "\n"
end

local function write_file(path, bytes)
  local file, message = io.open(path, "wb")
  if not file then
    failure.raise(message:find("No such file", 1, true) and "not_found" or "permission",
      "cannot write %s", message)
  end
  local ok, why = file:write(bytes)
  local closed, reason = file:close()
  if not (ok and closed) then
    failure.raise("no_space", "cannot write %s: %s", path, why or reason)
  end
end

return function(args)
  local terminal = terminal_of(args.output)
  local opened = recording.open(args.log)
  local _ <close> = opened.file
  local scalars, next_row = rows.of_log(opened, args.paths)
  check(scalars)
  local lines, start = data_of(next_row)
  if #lines == 0 then failure.raise("corrupt", "%s has no whole state", args.log) end
  write_file(args.output, gnuplot.run(script_of(opened, terminal, scalars, lines, start)))
end
