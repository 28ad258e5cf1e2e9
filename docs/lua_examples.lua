-- The examples of docs/lua-api.md. The name at the head of each part is that of the function.
-- A test runs each part after the preamble and compares what it prints with the text after -->.
-- luacheck: ignore 411 421 431

--- preamble
local ipmmap = require "ipmmap"

ipmmap.struct("Point", { { "x", "double" }, { "y", "double" } })
ipmmap.base:extend("Drone", {
  { "name", "char[16]" },
  { "battery", "int32" },
  { "at", "Point" },
  { "route", "Point[3]" },
})
local manager = assert(ipmmap.manager("Drone", { create = true, feed = 65536 }))
local editor = assert(ipmmap.editor("Drone"))
local reader = assert(ipmmap.reader("Drone"))

--- struct
local Size = ipmmap.struct("Size", { { "width", "uint16" }, { "height", "uint16" } })
local Screen = ipmmap.struct("Screen", { { "size", Size }, { "pixels", "uint8[4][4]" } })
print(Size.size, Size.align, Screen.size)               --> 4	2	20

--- enum
local Mode = ipmmap.enum("Mode", "uint8", { "idle", "walk" })
local Robot = ipmmap.base:extend("Robot", { { "mode", Mode } })
local robot = Robot:new { mode = "walk" }
print(robot.mode, Mode.walk)                            --> walk	1
robot.mode = 0
print(robot.mode)                                       --> idle
print(select(2, pcall(function() robot.mode = 300 end)))
--> example.lua:19: Robot.mode: 300 is out of range for Mode (0 to 255)

--- flags
local Rights = ipmmap.flags("Rights", "uint32", { "read", "write" })
local File = ipmmap.struct("File", { { "rights", Rights } })
local file = File:new { rights = Rights.read + Rights.write }
print(file.rights)                                      --> 3

--- redefine
local old = ipmmap.struct("Door", { { "open", "bool" } })
local new = ipmmap.redefine("Door", { { "angle", "float" } })
print(old.size, new.size, ipmmap.lookup "Door" == new)  --> 1	4	true

--- base
print(ipmmap.base.size)                                 --> 16
print(reader:read "header.header_code")                 --> 4392

--- Struct:extend
local Beacon = ipmmap.base:extend("Beacon", { { "power", "float" } })
local Lamp = Beacon:extend("Lamp", { { "color", "uint8[3]" } })
print(Lamp:offsetof "power", Lamp:offsetof "color")     --> 16	24

--- lookup
print(ipmmap.lookup("Point").size)                      --> 16
print(ipmmap.lookup "Plane")                            --> nil

--- load
package.preload.weather = function() -- stands for a file weather.lua
  return ipmmap.base:extend("Weather", { { "celsius", "float" } })
end
local Weather = ipmmap.load { "weather" }
print(Weather.name)                                     --> Weather

--- parse
local S = assert(ipmmap.parse(tostring(ipmmap.lookup "Drone")))
print(S.name, S.size)                                   --> Drone	104
print(ipmmap.parse("struct Drone {") == nil)            --> true

--- describe
local S = assert(ipmmap.describe(reader:info().path))
print(S.name, S:offsetof "battery")                     --> Drone	32
print(select(3, ipmmap.describe "nothing.mmap"))        --> not_found

--- Struct:new
local Point = ipmmap.lookup "Point"
local p = Point:new { x = 3 }
print(p.x, p.y)                                         --> 3.0	0.0

--- Struct:offsetof
local Drone = ipmmap.lookup "Drone"
print(Drone:offsetof "route[2].y")                      --> 80

--- Struct:convert
local Old = ipmmap.struct("OldPoint", { { "x", "float" }, { "y", "float" } })
local New = ipmmap.struct("NewPoint", { { "x", "double" }, { "z", "double" } })
local point, migrated = New:convert(Old:new { x = 0.5, y = 2 })
print(point.x, point.z)                                 --> 0.5	0.0
print(migrated.kept[1], migrated.added[1], migrated.dropped[1]) --> x	z	y
local none, message, code = Old:convert(point)
print(none, code)                                       --> nil	layout
print(message:match "^.*float")                         --> x: double to float
print(Old:convert(point, "lossy").x)                    --> 0.5

--- Struct:type
for _, field in ipairs(ipmmap.lookup("Point"):type().fields) do
  print(field.name, field.offset, field.type.kind)
end                                                     --> x	0	double
                                                        --> y	8	double

--- manager
local options = { create = true, mmap_dir = "segments", tag = "spare", mode = "640" }
local spare <close> = assert(ipmmap.manager("Drone", options))
print(spare:info().path:match "[^/]*/[^/]*$")           --> segments/Drone_spare.mmap

--- editor
local none, message, code = ipmmap.editor("Drone", { tag = "lost" })
print(none, code)                                       --> nil	not_found
print(pcall(ipmmap.editor, "Drone", { tags = "lost" })) --> false	Drone: there is no option 'tags'
assert(type(message) == "string")
print(select(3, ipmmap.editor("Drone", { tag = "lost", wait = 0.01 }))) --> timeout

--- reader
local follower <close> = assert(ipmmap.reader("Drone"))
print(follower:info().writable)                         --> false

--- Handle:close
reader:close()
print(pcall(reader.read, reader, "battery"))            --> false	Drone: this reader is closed

--- Handle:destroy
manager:destroy()
local ok, err = pcall(editor.write, editor, "battery", 1)
print(ok, err.code)                                     --> false	replaced

--- repair
local repaired = ipmmap.repair(reader:info().path)
print(repaired)                                         --> false

--- adopt
local file <close> = assert(io.open("Drone_old.mmap", "wb")) -- stands for a file of another program
file:write(ipmmap.bytes(reader:snapshot()))
file:close()
assert(ipmmap.adopt("Drone", "Drone_old.mmap"))
local old <close> = assert(ipmmap.reader("Drone", { mmap_dir = ".", tag = "old" }))
print(old:last_update() == reader:last_update())        --> true

--- Handle:lock
do
  local drone <close> = editor:lock()
  drone.name, drone.battery = "Ida", 90
  drone.route[1] = { x = 1, y = 2 }
end -- commits; an error in the block rolls back
print(reader:read "name", reader:read "route[1].y")     --> Ida	2.0

--- Handle:try_lock
do
  local drone <close> = reader:lock()
  local other = coroutine.wrap(function() return editor:try_lock(0.1) end)
  print(select(3, other()))                             --> deadlock
  print(drone.battery)                                  --> 0
end
local drone = assert(editor:try_lock(0.1))
drone.battery = 80
editor:unlock()
print(reader:read "battery")                            --> 80

--- Handle:unlock
local drone = editor:lock()
drone.battery = 70
editor:unlock()
print(reader:read "battery")                            --> 70

--- Handle:rollback
local drone = editor:lock()
drone.battery = 70
editor:rollback()
print(reader:read "battery")                            --> 0

--- Handle:with
local function charge(drone, by)
  drone.battery = drone.battery + by
  return drone.battery
end
print(editor:with(charge, 15))                          --> 15

--- Handle:try_with
local function number(drone) return drone.battery end
reader:with(function()
  print(select(3, editor:try_with(0.1, number)))        --> deadlock
end)
print(editor:try_with(0.1, number))                     --> 0

--- Handle:read
editor:set { at = { x = 1.5 } }
print(reader:read "at.x")                               --> 1.5
local at = reader:read "at" -- a detached value
print(at.x, at.y)                                       --> 1.5	0.0

--- Handle:snapshot
local value = reader:snapshot()
editor:write("battery", 60)
print(value.battery)                                    --> 0
reader:snapshot(value) -- the same value again
print(value.battery)                                    --> 60

--- Handle:versioned_snapshot
local value, version = reader:versioned_snapshot()
editor:write("battery", value.battery + 1)
print(reader:wait(version) == version + 1)              --> true

--- Handle:write
editor:write("route[2].x", 7)
editor:write("at", { x = 1, y = 2 })
print(reader:read "route[2].x", reader:read "at.y")     --> 7.0	2.0

--- Handle:set
editor:set { name = "Ida", at = { x = 4 }, route = { { x = 1 }, { x = 2 } } }
print(reader:read "name", reader:read "route[2].x")     --> Ida	2.0

--- Handle:add
print(editor:add("battery", 5))                         --> 5
print(editor:add("battery", -2))                        --> 3

--- Handle:max
print(editor:max("battery", 5), editor:max("battery", 2)) --> 5	5

--- Handle:min
editor:write("battery", 7)
print(editor:min("battery", 9), editor:min("battery", 2)) --> 7	2

--- Handle:bor
print(editor:bor("battery", 5), editor:bor("battery", 2)) --> 5	7

--- Handle:band
editor:write("battery", 7)
print(editor:band("battery", 12))                       --> 4

--- Handle:swap
print(editor:swap("name", "", "Ada"))                   --> true
print(editor:swap("name", "", "Bob"))                   --> false
print(reader:read "name")                               --> Ada

--- Handle:update
local function double(old) return old * 2 + 1 end
print(editor:update("battery", double))                 --> 1
print(editor:update("battery", double))                 --> 3

--- Handle:touch
editor:touch()
print(ipmmap.now() - reader:last_update() < 60)         --> true

--- Handle:clear
editor:write("battery", 50)
editor:clear()
print(reader:read "battery", reader:last_update())      --> 0	0.0

--- Handle:flush
editor:write("battery", 50)
editor:flush() -- the commit now survives a power failure

--- Handle:version
local before = reader:version()
editor:write("battery", 50)
print(reader:version() - before)                        --> 1

--- Handle:wait
local version = reader:version()
print(select(3, reader:wait(version, 0.01)))            --> timeout
editor:write("battery", 50)
print(reader:wait(version, 0.01) == version + 1)        --> true
print(reader:wait "battery")                            --> 50
editor:write("at.x", 1)
local now = reader:wait { "at", "name", version = version, seconds = 1 }
print(now == reader:version())                          --> true

--- Handle:changed
local version = reader:version()
editor:write("route[3].y", 2)
for _, path in ipairs(reader:changed(version)) do
  if path == "route[3].y" then print(path) end          --> route[3].y
end

--- wait_any
local handle = ipmmap.wait_any({ reader, editor }, 0)
print(handle, select("#", ipmmap.wait_any({ reader }, 0))) --> nil	3
editor:write("battery", 50)
local handle, version = ipmmap.wait_any { reader }
print(handle == reader, version == reader:version())    --> true	true

--- Handle:fd
local fd = reader:fd() -- for poll, luv or cqueues
print(math.type(fd))                                    --> integer

--- Handle:drain
reader:fd()
editor:write("battery", 50)
print(reader:drain() == reader:version())               --> true

--- Handle:feed
local feed <close> = reader:feed()
editor:write("battery", 50)
editor:write("battery", 49)
print(feed:next().battery, feed:next().battery)         --> 50	49

--- Feed:next
local feed <close> = reader:feed()
editor:set { name = "Ida", battery = 50 }
local value, version, missed = feed:next(1)
print(value.name, value.battery, version, missed)       --> Ida	50	1	0
print(select(3, feed:next(0.01)))                       --> timeout

--- Feed:commits
for battery = 50, 48, -1 do editor:write("battery", battery) end
local feed <close> = reader:feed(0) -- from the first commit on
for value, version in feed:commits(0.01) do
  print(version, value.battery)
end                                                     --> 1	50
                                                        --> 2	49
                                                        --> 3	48

--- Feed:changes
local feed <close> = reader:feed()
editor:set { battery = 50, route = { {}, { x = 7 } } }
feed:next()
for path, value in feed:changes() do
  print(path, value)
end                                                     --> battery	50
                                                        --> route[2].x	7.0

--- Feed:time
local feed <close> = reader:feed()
editor:write("battery", 50)
feed:next()
print(ipmmap.now() - feed:time() < 60)                  --> true

--- Feed:patch
local copy <close> = assert(ipmmap.manager("Drone", { create = true, tag = "copy", shares = true }))
local feed <close> = reader:feed()
editor:set { name = "Ida", battery = 50 }
local _, version = feed:next()
assert(copy:apply(feed:patch(), version, feed:time()))
print(copy:version(), copy:read "name", copy:read "battery") --> 1	Ida	50

--- Feed:close
local feed = reader:feed()
editor:write("battery", 50)
local value = feed:next()
local copy = ipmmap.lookup("Drone"):new(value)
feed:close()
print(copy.battery)                                     --> 50
print(pcall(ipmmap.totable, value))
--> false	Drone: value used after its feed was closed or got a value of another layout

--- remote
local url = os.getenv "DRONES_URL" -- "rediss://drones@example.org", as for `ipmmap follow`
if url then
  local remote <close> = assert(ipmmap.remote(reader:info().path, url))
  local version = assert(remote:write("battery", 100))
  reader:wait(version - 1) -- until the edit has come back
end

--- Handle:share
print(reader:share().place)                             --> unshared

--- Handle:set_share
local sharer <close> = assert(ipmmap.manager("Drone", { shares = true }))
do
  local _ <close> = sharer:lock()
  sharer:set_share { place = "home", epoch = 1, token = 7, deadline = ipmmap.boottime() + 8 }
end
editor:write("battery", 90)
sharer:set_share { place = "home", epoch = 1, token = 7, deadline = 1 } -- it is over
print(select(2, pcall(editor.write, editor, "battery", 80)).code) --> not_home
print(reader:share().place, reader:read "battery")      --> home	90

--- Handle:apply
local copy <close> = assert(ipmmap.manager("Drone", { create = true, tag = "copy", shares = true }))
local battery = string.pack("<I8I4i4", 32, 4, 75) -- a patch: 4 bytes at 32
assert(copy:apply(battery, 7))
print(copy:share().place, copy:version(), copy:read "battery") --> replica	7	75

--- Handle:edit
local sharer <close> = assert(ipmmap.manager("Drone", { shares = true }))
do
  local _ <close> = sharer:lock()
  sharer:set_share { place = "home", epoch = 1, token = 7, deadline = ipmmap.boottime() + 8 }
end
local function battery(value) return string.pack("<I8I4i4", 32, 4, value) end
editor:write("battery", 90)
print(sharer:edit(battery(90), battery(80)))            --> true
print(sharer:edit(battery(90), battery(70)))            --> false
print(reader:read "battery")                            --> 80

--- Handle:info
local info = editor:info()
print(info.name, info.role, info.size, info.writable)   --> Drone	editor	104	true

--- Handle:users
do
  local _ <close> = editor:lock()
  local user = reader:users()[1]
  print(user.writes, user.waits, user.alive)            --> true	false	true
end
print(#reader:users())                                  --> 0

--- Handle:last_update
print(ipmmap.now() - reader:last_update() < 60)         --> true

--- totable
editor:set { at = { x = 1, y = 2 } }
local t = ipmmap.totable(reader:read "at")
print(type(t), t.x, t.y)                                --> table	1.0	2.0
local last = ipmmap.totable(reader:read "route", 2, 3) -- the elements 2 and 3
print(#last)                                            --> 2

--- bytes
editor:write("battery", 258)
print(#ipmmap.bytes(reader:snapshot()))                 --> 104
print(#ipmmap.bytes(reader:read "route", 2, 3))         --> 32

--- setbytes
local route = reader:read "route"
ipmmap.setbytes(route, string.pack("dddddd", 1, 2, 3, 4, 5, 6))
editor:write("route", route)
print(reader:read "route[3].y")                         --> 6.0
editor:with(function(drone)
  ipmmap.setbytes(drone.route, string.pack("dd", 7, 8), 2) -- the element 2
end)
print(reader:read "route[2].y", reader:read "route[3].y") --> 8.0	6.0

--- pointer
editor:with(function(drone)
  local address, size = ipmmap.pointer(drone.route) -- for a C function of the host
  print(type(address), size)                            --> userdata	48
end)

--- check
local Gauge = ipmmap.struct("Gauge", { { "level", "float", min = 0, max = 1 } })
local gauge = Gauge:new { level = 1 }
print(ipmmap.check(gauge))                              --> true
ipmmap.setbytes(gauge, string.pack("f", 1.5))           -- as a program in C may do it
print(select(2, ipmmap.check(gauge)))                   --> Gauge.level: 1.5 is above the limit of 1

--- pairs
editor:set { at = { x = 1, y = 2 } }
for name, field in ipmmap.pairs(reader:read "at") do
  print(name, field)                                    --> x	1.0
end                                                     --> y	2.0

--- ipairs
editor:write("route[2].x", 7)
for i, point in ipmmap.ipairs(reader:read "route") do
  if point.x == 7 then print(i) end                     --> 2
end

--- len
print(ipmmap.len(reader:read "route"))                  --> 3

--- now
print(ipmmap.now() > 1.7e9)                             --> true

--- boottime
print(ipmmap.boottime() <= ipmmap.boottime())           --> true

--- sleep
ipmmap.sleep(0.01)
