-- What a replica that joins makes of a state that changes while it is read. The server is a script
-- here, because these moments are short.
local join = require "ipmmap_share.join"
local patch = require "ipmmap_share.patch"

local SIZE <const> = 8

local function at(version) return { epoch = 7, version = version, time = version, size = SIZE, feed = 0 } end

-- A commit that stores a byte.
local function commit(version, offset, byte)
  local entry = at(version)
  entry.before, entry.patch = at(version - 1), patch.pack { { offset, byte } }
  return entry
end

-- A link to a server that answers with what the script has for each method, one after the other.
local function link_to(script)
  local self = {}
  function self.call(_, method, ...)
    local answer = table.remove(script[method], 1)
    if type(answer) == "function" then return answer(...) end
    return answer
  end
  return self
end

local function fetch(script)
  local all = {
    schema = { "schema", "schema" }, meta = { at(5), at(7) },
    state = { function(_, on_piece)
      on_piece("abcdefgh")
      return true
    end },
    entries = { { commit(6, 0, "X"), commit(7, 7, "Z") } },
  }
  for name, answers in pairs(script) do all[name] = answers end
  return join.fetch(link_to(all), function() end)
end

describe("joining", function()
  it("adds the commits that were made meanwhile", function()
    local fetched = fetch {}
    assert.same({ "XbcdefgZ", 7, 7, 7 },
      { fetched.bytes, fetched.epoch, fetched.version, fetched.time })
  end)

  it("adds commits until it has all that were made when the state was read", function()
    local fetched = fetch { entries = { { commit(6, 0, "X") }, { commit(7, 1, "Y"), commit(8, 2, "Z") } } }
    assert.same({ "XYZdefgh", 8 }, { fetched.bytes, fetched.version })
  end)

  it("finds nothing where there is no state", function()
    assert.is_false(fetch { meta = { false } })
    assert.is_false(fetch { schema = { false } })
  end)

  local function fails(what, script)
    it("begins again if " .. what, function()
      local fetched, message = fetch(script)
      assert.is_nil(fetched)
      assert.is_string(message)
    end)
  end

  local no_patch = at(6)
  fails("the log was trimmed", { entries = { { commit(7, 7, "Z") } } })
  fails("the log has no more than a part", { entries = { { commit(6, 0, "X") }, {} } })
  fails("a commit was too large for the log", { entries = { { no_patch, commit(7, 7, "Z") } } })
  fails("the state got another size", { state = { false } })
  fails("the size changed after the state was read",
    { meta = { at(5), setmetatable({ size = 9 }, { __index = at(7) }) } })
  fails("the state is gone", { meta = { at(5), false } })
  fails("the schema was replaced", { schema = { "schema", "another" } })

  it("raises if a commit does not fit into the state", function()
    local ok, problem = pcall(fetch, { entries = { { commit(6, 8, "X"), commit(7, 0, "X") } } })
    assert.same({ false, "corrupt", true }, { ok, problem.code, problem.is_remote })
  end)
end)
