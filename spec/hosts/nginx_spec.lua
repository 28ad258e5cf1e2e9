local host = require "spec.hosts.host"
local ipmmap = require "ipmmap"
local posix = require "spec.helper.posix"
local process = require "spec.helper.process"
local shell = require "spec.helper.shell"
local tmpdir = require "spec.helper.tmpdir"

local NGINX <const> = host.unpacked .. "/usr/sbin/nginx"
local WORKERS <const> = 4
local REQUEST_BYTES <const> = #"GET / HTTP/1.0\r\n\r\n"
local NUMBER <const> = "request (%d+) of all workers"

-- Ends a worker in its block, in which it has changed one of two fields.
local DIE <const> = [[
    location = /die {
        content_by_lua_block {
            local ffi = require "ffi"
            ffi.cdef "int raise(int);"
            local editor = require("ipmmap").editor("Requests", { mmap_dir = ngx.config.prefix() .. "run" })
            editor:with(function(data)
                data.count = data.count + 1000
                ffi.C.raise(9)
            end)
        }
    }

    location / {]]

-- Copies the example into a new directory, to serve a Unix socket there. Returns the directory.
local function install()
  local dir = tmpdir()
  shell.run(("cp %s/examples/nginx/* %s && mkdir %s/run"):format(host.root, dir, dir))
  local nginx, counters = dir .. "/nginx.conf", dir .. "/counters.conf"
  host.write(nginx, (host.read(nginx):gsub("/usr/lib/nginx/", host.unpacked .. "%0")))
  host.write(counters, host.replace(host.replace(host.read(counters),
    "127.0.0.1:8080", "unix:" .. dir .. "/run/http.sock"),
    "    location / {", DIE))
  return dir
end

-- The pid of the next worker that starts.
local function next_worker(nginx)
  local pid
  repeat
    pid = assert(nginx:line(), "nginx has ended"):match "start worker process (%d+)"
  until pid
  return tonumber(pid)
end

-- Starts nginx. Returns it and its workers.
local function serve(dir)
  local lib = shell.run(("ls -d %s/usr/lib/*-linux-gnu"):format(host.unpacked)):match "%C+"
  local nginx = host.start(
    { NGINX, "-e", "stderr", "-g", "user root;", "-p", dir, "-c", "nginx.conf" },
    { "LD_LIBRARY_PATH=" .. lib, ("LUA_PATH=%s/usr/share/lua/5.1/?.lua;%s"):format(host.unpacked, host.lua_path) })
  local workers = {}
  for i = 1, WORKERS do workers[i] = next_worker(nginx) end
  return nginx, workers
end

local function client(dir, url, pattern, count)
  return process.start {
    process.LUA, host.root .. "/spec/hosts/client.lua", dir .. "/run/http.sock", url, pattern, tostring(count),
  }
end

-- The answer to one request.
local function answer(dir, url, pattern)
  local one = client(dir, url, pattern, 1)
  local line = one:line()
  one:join()
  return line
end

describe("nginx", function()
  local missing = host.missing(NGINX)
  if missing then return it("runs the example", function() pending(missing) end) end

  local dir, nginx, workers

  before_each(function()
    dir = install()
  end)

  after_each(function()
    if nginx then
      nginx:kill(posix.SIGTERM) -- the master ends its workers
      nginx:wait()
      nginx = nil
    end
  end)

  it("counts the requests of all workers, and a program outside follows", function()
    nginx, workers = serve(dir)
    assert.equal("1", answer(dir, "/", NUMBER))
    local show = process.start { process.LUA, dir .. "/show.lua", dir .. "/run" }
    show:expect(("1 requests, %d bytes"):format(REQUEST_BYTES))
    local seen = {}
    for i = 2, 40 do
      local number, worker = answer(dir, "/", "request (%d+ of all workers, from worker %d+)")
                             :match "^(%d+) .- (%d+)$"
      assert.equal(i, tonumber(number))
      show:expect(("%d requests, %d bytes"):format(i, i * REQUEST_BYTES))
      seen[tonumber(worker)] = true
    end
    for pid in pairs(seen) do assert(table.concat(workers, " "):find(pid, 1, true)) end
    show:kill()
  end)

  it("loses no count and serves on while its workers are killed", function()
    nginx, workers = serve(dir)
    local CLIENTS <const>, REQUESTS <const>, KILLS <const> = 4, 500, 20
    local clients, numbers, answered, sent = {}, {}, 0, CLIENTS * REQUESTS
    for i = 1, CLIENTS do clients[i] = client(dir, "/", NUMBER, REQUESTS) end
    local function take(some, count)
      for _ = 1, count do
        local number = tonumber(some:line())
        if number then
          assert.is_nil(numbers[number], "two requests have got the same number")
          numbers[number] = true
          answered = answered + 1
        end
      end
    end

    for kill = 1, KILLS do
      for _, some in ipairs(clients) do take(some, 15) end
      local victim = (kill - 1) % WORKERS + 1
      posix.kill(workers[victim], posix.SIGKILL)
      workers[victim] = next_worker(nginx)
    end
    for _, some in ipairs(clients) do
      take(some, REQUESTS - 15 * KILLS)
      some:join()
    end

    local file = dir .. "/run/Requests_.mmap"
    local count = tonumber(shell.run(("cd %s && bin/ipmmap get %s count"):format(host.root, shell.quote(file))))
    assert.is_true(answered >= sent - KILLS * CLIENTS)
    assert.is_true(answered <= count and count <= sent)
    for number in pairs(numbers) do assert.is_true(number <= count) end
    assert.equal(tostring(count + 1), answer(dir, "/", NUMBER))
    local reader <close> = assert(ipmmap.reader(require "examples.nginx.requests", { mmap_dir = dir .. "/run" }))
    local requests = reader:snapshot()
    assert.same({ count + 1, (count + 1) * REQUEST_BYTES }, { requests.count, requests.bytes })
  end)

  it("takes back what a worker has changed that dies in its block", function()
    nginx = serve(dir)
    assert.equal("1", answer(dir, "/", NUMBER))
    assert.equal("none", answer(dir, "/die", NUMBER))
    assert.equal("2", answer(dir, "/", NUMBER))
  end)

  it("is told that a worker cannot use what the master has opened", function()
    local conf = dir .. "/counters.conf"
    host.write(conf, host.replace(host.read(conf), "init_worker_by_lua_block {", "init_by_lua_block {"))
    nginx = serve(dir)
    assert.equal("500", answer(dir, "/", "^HTTP/%S+ (%d+)"))
    local line
    repeat line = nginx:line() until not line or line:find "runtime error"
    assert.matches("Requests: the handle was opened before a fork, by the parent; open one here", line)
  end)
end)
