--- Segments that several machines share, for specs: a server, homes and replicas.
--
--    local share = sharing.new()          -- a server of its own; a new tag for each segment
--    local home = share:home(S)           -- a segment, and a machine that is its home
--    local beta = share:replica(S)        -- another machine, which has joined
--
-- Both are machines of spec.helper.machine, with `dir`, `path`, and `reader`; a home with `editor`.
-- Each test begins with share:begin(), and ends with segment.close().
local assert = require "luassert"
local ipmmap = require "ipmmap"
local machine = require "spec.helper.machine"
local redis_server = require "spec.helper.redis_server"
local segment = require "spec.helper.segment"
local tmpdir = require "spec.helper.tmpdir"

local DEADLINE <const> = 30 -- seconds

local sharing = {}

--- A struct for such segments. Both numbers are set in each commit.
sharing.Score = ipmmap.base:extend("Score", {
  { "count", "int64" },
  { "text", "char[64]" },
  { "twin", "int64" },
})

local Sharing = {}
Sharing.__index = Sharing

--- @param[opt] options of the server
function sharing.new(options)
  return setmetatable({ server = redis_server.start(options), number = 0 }, Sharing)
end

--- Begins with segments that have a new tag.
function Sharing:begin()
  self.number = self.number + 1
  self.tag = "t" .. self.number
end

function Sharing:path(dir, S) return ("%s/%s_%s.mmap"):format(dir, S.name, self.tag) end

--- Opens the segment in a directory. `segment.close` closes it.
function Sharing:open(role, S, dir)
  return segment.open(role, S, { mmap_dir = dir, tag = self.tag })
end

--- Starts a machine that is to be the home of a segment in a directory.
-- @param name of the machine
-- @param[opt] options of the member
function Sharing:share(S, dir, name, options)
  local all = { address = self.server.address, file = self:path(dir, S), machine = name }
  for key, value in pairs(options or {}) do all[key] = value end
  return machine.start(all)
end

--- Starts a machine that is to have a replica in a directory.
function Sharing:follow(S, dir, name, options)
  local all = {
    address = self.server.address, dir = dir, name = S.name .. "_" .. self.tag, machine = name,
  }
  for key, value in pairs(options or {}) do all[key] = value end
  return machine.start(all)
end

--- Makes a segment with one commit, and a machine that is its home.
-- @param[opt] options of the member; `feed`: the bytes of the ring, by default 64 KiB
function Sharing:home(S, name, options)
  options = options or {}
  local feed = options.feed or 65536
  options.feed = nil
  local dir, _, editor = segment.make(S, { "editor" }, { tag = self.tag, feed = feed })
  editor:touch()
  local one = self:share(S, dir, name or "alpha", options)
  one:says("is the home")
  one.dir, one.path, one.editor = dir, self:path(dir, S), editor
  one.reader = self:open("reader", S, dir)
  return one
end

--- Starts a machine that follows, and waits until it has the state.
function Sharing:replica(S, name, options)
  local dir = tmpdir()
  local one = self:follow(S, dir, name or "beta", options)
  one:says("joined")
  one.dir, one.path, one.reader = dir, self:path(dir, S), self:open("reader", S, dir)
  return one
end

--- Waits until a reader sees a field with a value.
function sharing.wait_for(reader, path, value)
  while reader:read(path) ~= value do
    local version = reader:version()
    if reader:read(path) == value then return end
    assert(reader:wait(version, DEADLINE))
  end
end

--- Waits until a replica has the bytes of its home.
-- Nobody writes meanwhile.
-- @param home, replica readers
function sharing.assert_same(home, replica)
  local wanted = ipmmap.bytes(home:snapshot())
  while ipmmap.bytes(replica:snapshot()) ~= wanted do
    local version = replica:version()
    if ipmmap.bytes(replica:snapshot()) == wanted then return end
    assert(replica:wait(version, DEADLINE))
  end
end

--- The code with which a function fails.
function sharing.code_of(fn, ...)
  local ok, problem = pcall(fn, ...)
  if ok then return nil end
  return type(problem) == "string" and problem or problem.code
end

--- The logs of commits that were not published, beside a segment.
function sharing.saved(path)
  local list = {}
  local stem = path:gsub("%.mmap$", "")
  local pipe = assert(io.popen(("ls %s.unpublished-* 2>/dev/null"):format(stem)))
  for line in pipe:lines() do list[#list + 1] = line end
  pipe:close()
  return list
end

return sharing
