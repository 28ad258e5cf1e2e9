--- Medians, spreads and slopes.
local stats = {}

function stats.median(list)
  local sorted = table.move(list, 1, #list, 1, {})
  table.sort(sorted)
  local middle = (#sorted + 1) // 2
  if #sorted % 2 == 1 then
    return sorted[middle]
  end
  return (sorted[middle] + sorted[middle + 1]) / 2
end

--- The median, the lowest and the highest value.
function stats.summary(list)
  return {
    median = stats.median(list),
    low = math.min(table.unpack(list)),
    high = math.max(table.unpack(list)),
    rounds = list,
  }
end

--- The exponent e of y ~ x^e by least squares: 0 if y does not grow, 1 if it is proportional to x.
function stats.slope(points)
  local n, sx, sy, sxx, sxy = 0, 0, 0, 0, 0
  for _, point in ipairs(points) do
    local x, y = math.log(point.x), math.log(math.max(point.y, 1e-9))
    n, sx, sy, sxx, sxy = n + 1, sx + x, sy + y, sxx + x * x, sxy + x * y
  end
  local spread = n * sxx - sx * sx
  return spread > 0 and (n * sxy - sx * sy) / spread or 0
end

return stats
