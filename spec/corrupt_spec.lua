-- Opening files that are not segments, or are damaged.
local fails = require "spec.helper.fails"
local ipmmap = require "ipmmap"
local tmpdir = require "spec.helper.tmpdir"

local S = ipmmap.base:extend("CorruptSpec", { { "data_int", "int32" }, { "text", "char[200]" } })

local function contents(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

local function write_file(path, text)
  local file <close> = assert(io.open(path, "wb"))
  file:write(text)
end

describe("a damaged file:", function()
  local dir, path, whole
  before_each(function()
    dir = tmpdir()
    path = dir .. "/CorruptSpec_.mmap"
    assert(ipmmap.manager(S, { mmap_dir = dir, create = true })):close()
    whole = contents(path)
    os.remove(dir .. "/CorruptSpec_.lock")
  end)

  for what, damage in pairs {
    ["an empty file"] = function() return "" end,
    ["a file of one byte"] = function() return "\x28" end,
    ["a file cut in the struct"] = function(text) return text:sub(1, 100) end,
    ["a file cut behind the struct"] = function(text) return text:sub(1, S.size) end,
    ["a file cut before its footer"] = function(text) return text:sub(1, -65) end,
    ["a file without its last byte"] = function(text) return text:sub(1, -2) end,
    ["a file with a byte too many"] = function(text) return text .. "x" end,
    ["a foreign file"] = function() return ("root:x:0:0:root:/root:/bin/bash\n"):rep(400) end,
    ["a file of zeros"] = function(text) return ("\0"):rep(#text) end,
    ["a wrong header code"] = function(text) return "\0\0" .. text:sub(3) end,
    ["a damaged trailer"] = function(text) return text:sub(1, 4096) .. ("\xff"):rep(64) .. text:sub(4161) end,
    ["a damaged footer"] = function(text) return text:sub(1, -65) .. ("\xff"):rep(64) end,
    ["a damaged schema"] = function(text) return (text:gsub("data_int", "data\1int")) end,
  } do
    it(what .. " is refused and not changed", function()
      local damaged = damage(whole)
      write_file(path, damaged)
      for _, role in ipairs { "manager", "editor", "reader" } do
        local message = fails("corrupt", ipmmap[role](S, { mmap_dir = dir }))
        assert.is_truthy(message:find(path, 1, true), message)
      end
      fails("corrupt", ipmmap.manager(S, { mmap_dir = dir, create = true }))
      assert.equal(damaged, contents(path))
      local m <close> = assert(ipmmap.manager(S, { mmap_dir = dir, create = true, force = true }))
      m:write("data_int", 1)
      assert.equal(1, m:read("data_int"))
    end)
  end

  it("a FIFO, a directory or a symbolic link is refused at once", function()
    os.remove(path)
    for _, make in ipairs { "mkfifo %s", "mkdir %s", "ln -s /etc/passwd %s", "ln -s loop %s" } do
      os.execute(make:format(path))
      local ok, message, code = ipmmap.reader(S, { mmap_dir = dir })
      assert.is_nil(ok)
      assert.is_truthy(({ corrupt = 1, system = 1 })[code], code)
      assert.is_truthy(message:find(path, 1, true), message)
      os.execute("rm -rf " .. path)
    end
  end)

  it("a damaged lock file is initialised again", function()
    for _, text in ipairs { "", "x", ("\xff"):rep(100), ("\xff"):rep(65536) } do
      write_file(dir .. "/CorruptSpec_.lock", text)
      local e <close> = assert(ipmmap.editor(S, { mmap_dir = dir }))
      e:write("data_int", 5)
    end
  end)
end)
