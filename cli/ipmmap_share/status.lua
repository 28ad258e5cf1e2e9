--- What a process that shares segments tells about each of them: a segment of the struct
-- ShareStatus beside it, whose tag is the segment's name. So `ipmmap watch` and every reader can
-- follow it.
local ipmmap = require "ipmmap"
local uv = require "luv"

local status = {}

local MAX_TAG <const> = 128 -- of every segment, and so of this one too

ipmmap.enum("ShareRole", "uint8",
  { "starting", "home", "replica", "joining", "waiting", "stopped", "failed" })

--- The struct. Versions and epochs are those of the segment that is shared; all counts begin at 0
-- when the process starts.
status.Struct = ipmmap.base:extend("ShareStatus", {
  { "role", "ShareRole", doc = "what the process does for the segment" },
  { "connected", "bool", doc = "whether it reaches the server" },
  { "pid", "uint32", doc = "the process" },
  { "machine", "char[64]", doc = "the name of this machine" },
  { "home", "char[64]", doc = "the name of the machine that is the home, if it is known" },
  { "url", "char[256]", doc = "the server, without a password" },
  { "epoch", "uint64", doc = "that of the home whose commits the segment has" },
  { "version", "uint64", doc = "the segment's version here" },
  { "home_version", "uint64", doc = "the last version at home that is known here" },
  { "lag", "uint64", doc = "at home: commits that are not published; in a replica: that it lacks" },
  { "lag_seconds", "double", unit = "s", doc = "how old the newest state is that it lacks" },
  { "bytes_in", "uint64", unit = "B" },
  { "bytes_out", "uint64", unit = "B" },
  { "edits", "uint64", doc = "those from elsewhere that were applied" },
  { "joins", "uint64", doc = "how often the whole state was fetched" },
  { "error", "char[256]", doc = "the last failure" },
  { "error_time", "double", unit = "s", doc = "when it was, in Unix seconds; 0 if there was none" },
  { "updated", "double", unit = "s", doc = "when this was written, in Unix seconds" },
})

local PREFIX <const> = status.Struct.name .. "_"

--- The longest prefix of a text that fits into `size` bytes and has no part of a UTF-8 sequence at
-- its end, without NULs.
local function cut(text, size)
  text = text:gsub("%z", " ")
  if #text <= size then return text end
  local last = size + 1 -- the first byte that is cut off; not in the middle of a sequence
  while last > 1 and text:byte(last) & 0xc0 == 0x80 do last = last - 1 end
  return text:sub(1, last - 1)
end

local SIZES <const> = { machine = 64, home = 64, url = 256, error = 256 }

local Status = {}
Status.__index = Status

-- The process of another handle that has the status open as its manager. A second handle of this
-- process counts too.
local function other_manager(manager)
  local own, is_own_seen = uv.os_getpid(), false
  for _, one in ipairs(manager:info().attached) do
    if one.role == "manager" then
      if one.pid ~= own or is_own_seen then return one.pid end
      is_own_seen = true
    end
  end
end

-- Opens the segment, also over one of another release.
local function open(options)
  local manager, message, code = ipmmap.manager(status.Struct, options)
  if code ~= "layout" then return manager, message, code end
  return ipmmap.manager(status.Struct, setmetatable({ force = true }, { __index = options }))
end

--- The path of the status of a segment.
-- @param dir the directory of the segment's data file
-- @param name `<Struct>_<tag>`
function status.path(dir, name)
  return ("%s/%s%s.mmap"):format(dir, PREFIX, name)
end

--- The name of the segment that a status is about; nil if the file is no status by its name.
-- @param file the name of a data file, without its directory
function status.name_of(file)
  return file:match("^" .. PREFIX .. "(.*)%.mmap$")
end

--- Opens the status of a segment that this process begins to share. Makes the files, mode 640, or
-- resets those of a process before it.
-- @param dir the directory of the segment's data file
-- @param name `<Struct>_<tag>` of the segment
-- @param[opt] options `lock_dir` and `trust`, as for every segment
-- @return an object with the methods below; or nil, message, code: `refused` if another process
-- shares the segment or its name is too long, or a code of the library
function status.open(dir, name, options)
  if #name > MAX_TAG then
    return nil, ("%s: a name of more than %d bytes cannot be shared"):format(name, MAX_TAG),
      "refused"
  end
  options = {
    create = true, mode = "640", mmap_dir = dir, tag = name,
    lock_dir = options and options.lock_dir, trust = options and options.trust,
  }
  local manager, message, code = open(options)
  if not manager then return nil, message, code end
  local other = other_manager(manager)
  if other then
    manager:close()
    return nil, ("%s: process %d shares it already"):format(name, other), "refused"
  end
  local fields = ipmmap.totable(status.Struct:new { pid = uv.os_getpid() })
  fields.header = nil
  local self = setmetatable({ manager = manager, options = options, fields = fields }, Status)
  self:set {}
  return self
end

--- Sets fields in one commit, with the time. Texts that are too long are cut. Never waits: while a
-- reader holds the lock of the status, the fields are kept for the next call. If somebody has
-- destroyed the status, it is made again.
-- @param fields a table with the fields of `status.Struct` to set
-- @return true; or nil, message, code if the status cannot be written
function Status:set(fields)
  for name, value in pairs(fields) do
    self.fields[name] = SIZES[name] and cut(value, SIZES[name]) or value
  end
  self.fields.updated = ipmmap.now()
  local function store()
    self.manager:set(self.fields)
    return true
  end
  local done, message, code = self.manager:try_with(0, store)
  if code == "replaced" then
    local again
    again, message, code = open(self.options)
    if again then
      self.manager:close()
      self.manager = again
      done, message, code = again:try_with(0, store)
    end
  end
  if done or code == "timeout" then return true end
  return nil, message, code
end

--- Tells a failure; returns as `set`.
-- @param message what is wrong, for people
function Status:fail(message)
  return self:set { error = message, error_time = ipmmap.now() }
end

local function finish(self, role)
  if not self.manager then return end
  self:set { role = role, connected = false }
  self.manager:close()
  self.manager = nil
end

--- Tells that the process no longer shares the segment, and closes the handle. The files stay.
-- Again is harmless.
function Status:close() finish(self, "stopped") end

--- Tells a failure that ends what the process does for the segment, and closes the handle.
-- @param message what is wrong, for people
function Status:give_up(message)
  self:fail(message)
  finish(self, "failed")
end

--- Removes the status, and closes the handle.
function Status:remove()
  if not self.manager then return end
  self.manager:destroy()
  self.manager = nil
end

function Status:__close() self:close() end

Status.__gc = Status.__close

return status
