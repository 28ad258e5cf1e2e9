--- Positions in the history of a segment: { epoch, version }, both integers from 0 on. Each home
-- has an epoch of its own, and later homes have greater ones.
local position = {}

--- -1, 0 or 1: whether `a` is before, equal to or after `b`.
function position.compare(a, b)
  if a.epoch ~= b.epoch then return a.epoch < b.epoch and -1 or 1 end
  if a.version ~= b.version then return a.version < b.version and -1 or 1 end
  return 0
end

function position.equal(a, b)
  return a ~= nil and b ~= nil and position.compare(a, b) == 0
end

--- The position that a segment has by its share block.
-- @param share what `handle:share()` returned
-- @param version the segment's own, at that moment
function position.of(share, version)
  return { epoch = share.epoch, version = version - share.ahead }
end

--- For people.
function position.show(at)
  return ("version %d of epoch %d"):format(at.version, at.epoch)
end

return position
