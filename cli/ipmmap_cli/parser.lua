--- The command line: describes each subcommand to argparse. Help, completions and the manual page
-- are generated from this.
local argparse = require "argparse"
local definition = require "ipmmap_cli.definition"
local failure = require "ipmmap_cli.failure"
local ipmmap = require "ipmmap"
local output = require "ipmmap_cli.output"
local segment = require "ipmmap_cli.segment"

local ANYONE <const> = 0xffffffff -- no user has this number
local MIN_LEASE <const>, MAX_LEASE <const> = 0.5, 3600 -- seconds
local MAX_MACHINE <const> = 64 -- bytes, as in ipmmap_share.status

local EXIT_STATUS <const> = [[
Exit status: 0 done; 1 there are differences or problems (diff, doctor); 2 a bad command line, path
or value; 3 not found; 4 another layout; 5 not a segment, or damaged; 6 no permission; 7 not in
time; 8 the lock is of another libc, architecture or pid namespace; 9 replaced or destroyed; 10 no
space; 11 another refusal of the system; 12 this machine is not the segment's home; 13 it is not
known whether the home made the edit; 14 others changed the same at the home; 15 refused by the
home, or shared already; 70 a bug of this program.]]

-- A function that converts an option's argument to a number above 0. Its messages name the option.
local function positive(option)
  return function(text)
    local number = tonumber(text)
    if not number or number <= 0 or number ~= number then
      return nil, ("%s: '%s' is not a number above 0"):format(option, text)
    end
    return number
  end
end

local function count(option)
  return function(text)
    local number = math.tointeger(tonumber(text:match("^%d+$")))
    if number and number > 0 then return number end
    return nil, ("%s: '%s' is not a whole number above 0"):format(option, text)
  end
end

local function bytes(option)
  return function(text)
    local number = math.tointeger(tonumber(text:match("^%d+$")))
    if number then return number end
    return nil, ("%s: '%s' is not a number of bytes"):format(option, text)
  end
end

local function speed(text)
  if text == "max" then return math.huge end
  local number = positive("--speed")(text)
  if number then return number end
  return nil, ("--speed: '%s' is neither a number above 0 nor max"):format(text)
end

local function tag(text)
  if segment.is_tag(text) then return text end
  return nil, ("--tag: '%s' is not letters, digits, '.', '_' and '-' without '..'"):format(text)
end

local function struct(text)
  if definition.split(text) then return text end
  return nil, ("--struct: '%s' is not FILE.lua:Name"):format(text)
end

local function lease(text)
  local number = tonumber(text)
  if number and number >= MIN_LEASE and number <= MAX_LEASE then return number end
  return nil, ("--lease: '%s' is not a number of seconds from %g to %d"):format(text, MIN_LEASE,
    MAX_LEASE)
end

local function machine(text)
  if text ~= "" and #text <= MAX_MACHINE and not text:find("[%c%s]") then return text end
  return nil, ("--machine: '%s' is not a name without spaces of at most %d bytes")
    :format(text, MAX_MACHINE)
end

-- Converts an argument of --trust to a user's number, or to "anyone". It asks `id`, which also
-- knows users that are not in /etc/passwd.
local function user(text)
  local number = math.tointeger(tonumber(text:match("^%d+$")))
  if text == "anyone" or number and number < ANYONE then return number or text end
  if text ~= "" and not number then
    local id <close> = io.popen(("id -u -- '%s' 2>/dev/null"):format((text:gsub("'", "'\\''"))))
    number = id:read("n")
    if number then return number end
  end
  return nil, ("--trust: '%s' is no user's name or number, and not anyone"):format(text)
end

-- Collects the arguments of all --trust options: a list of users, or "anyone".
local function add_trust(args, _, trusted)
  if trusted == "anyone" or args.trust == "anyone" then
    args.trust = "anyone"
  else
    args.trust = args.trust or {}
    table.insert(args.trust, trusted)
  end
end

local function add_json(command)
  command:flag("--json", "Print JSON.")
end

-- Adds an argument. The usage, its description and messages all call it `name`.
local function add_argument(to, name, target, description)
  return to:argument(name, description):argname(name):target(target)
end

local function add_file(to)
  add_argument(to, "FILE", "file", "The data file, <Struct>_<tag>.mmap.")
end

local function add_paths(to, how_many, description)
  add_argument(to, "PATH", "paths", description .. ". An index can be * for all elements, or " ..
    "2..4 for some: 'points[*].x'."):args(how_many)
end

local function add_struct(to)
  to:option("--struct", "The struct Name that the Lua program FILE.lua defines.")
    :argname("FILE.lua:Name"):count(1):convert(struct)
end

-- Adds a directory of segments: always the last positional argument.
local function add_dir(to, name, target, description)
  return add_argument(to, name, target, description):default("./.mmap"):defmode("arg")
end

local function command(parser, name, summary, example)
  return parser:command(name, summary):epilog("Example:\n   " .. example)
end

-- Adds what a connection to a server needs.
local function add_server(to)
  to:option("--password-file", "A file whose one line is the server's password; otherwise the " ..
    "environment variable IPMMAP_REDIS_PASSWORD has it."):argname("FILE")
  to:option("--ca", "With rediss://, the certificates (PEM) of those who may have signed the " ..
    "server's; otherwise the system's."):argname("FILE")
  to:option("--cert", "With rediss://, the certificate (PEM) that this machine shows.")
    :argname("FILE")
  to:option("--key", "The key (PEM) of --cert, without a passphrase."):argname("FILE")
  to:flag("--insecure", "Allow redis://, without TLS, to another machine.")
end

-- Adds what the processes of a machine that shares segments have in common.
local function add_member(to)
  to:option("--machine", "This machine's name for others; otherwise its host name.")
    :argname("NAME"):convert(machine)
  to:option("--lease", "For how long a home that is cut off keeps its segments: the same on " ..
    "all machines."):argname("SECONDS"):default("10"):convert(lease)
  add_server(to)
end

local commands = {
  function(parser)
    local ls = command(parser, "ls", "List the segments in a directory.", "ipmmap ls .mmap")
    add_dir(ls, "DIR", "dir", "The directory.")
    add_json(ls)
  end,
  function(parser)
    local show = command(parser, "show", "Show the values, as last committed.",
      "ipmmap show .mmap/Demo_.mmap points[2]")
    add_file(show)
    add_paths(show, "*", "Only these parts")
    add_json(show)
  end,
  function(parser)
    local get = command(parser, "get", "Print values, as last committed, each on a line.",
      "ipmmap get .mmap/Demo_.mmap count 'points[*].x'")
    add_file(get)
    add_paths(get, "+", "Which, such as points[2].x; indices start at 1")
    add_json(get)
  end,
  function(parser)
    local set = command(parser, "set", "Set values, several as one transaction.",
      "ipmmap set .mmap/Demo_.mmap count=5 text='hello' 'at={\"x\": 1}'")
    add_file(set)
    add_argument(set, "PATH=VALUE", "assignments", "What to set; structs, arrays and lists as " ..
      "JSON. PATH+=VALUE and PATH-=VALUE add to a number and subtract from it. An index can be " ..
      "* or 2..4, as for get.")
      :args("*")
    set:flag("--json", "Every VALUE is JSON, as get and show print it with --json. That of a " ..
      "PATH alone, or with no PATH the whole struct, comes from standard input.")
    set:option("--timeout", "How many seconds to wait for the lock, or for the home.")
      :argname("SECONDS"):default("10"):convert(positive("--timeout"))
    set:option("--url", "FILE is a replica: make the change at the home, by this server, as for " ..
      "follow."):argname("URL")
    add_server(set)
  end,
  function(parser)
    local watch = command(parser, "watch",
      "Watch the values live; q quits, / searches, Enter edits.",
      "ipmmap watch .mmap/Demo_.mmap count points[1]")
    add_file(watch)
    add_paths(watch, "*", "Only these parts")
    watch:flag("--json", "Print a line of JSON for each commit, with the version, the time, the " ..
      "number of commits missed before it, and what changed.")
  end,
  function(parser)
    local schema = command(parser, "schema", "Print the layout.",
      "ipmmap schema --c .mmap/Demo_.mmap > demo.h")
    add_file(schema)
    schema:mutex(
      schema:flag("--lua", "As a definition in Lua."),
      schema:flag("--c", "As a C header, with a _Static_assert for every offset."),
      schema:flag("--ffi", "As plain C declarations, for LuaJIT's ffi.cdef or Python's cffi."),
      schema:flag("--python", "As a Python module for ctypes."),
      schema:flag("--luals", "As annotations for the Lua language server."),
      schema:flag("--json", "As JSON."))
  end,
  function(parser)
    local diff = command(parser, "diff", "Compare two segments' layouts and values.",
      "ipmmap diff .mmap/Demo_a.mmap .mmap/Demo_b.mmap")
    add_argument(diff, "FILE", "first", "A data file.")
    add_argument(diff, "FILE2", "second", "Another one.")
    add_json(diff)
  end,
  function(parser)
    local who = command(parser, "who", "Tell who holds the lock, waits for it, has it open, " ..
      "committed last, or keeps others from opening.", "ipmmap who .mmap/Demo_.mmap")
    add_file(who)
    add_json(who)
  end,
  function(parser)
    local stats = command(parser, "stats", "Measure commits a second, and how long the " ..
      "write lock is held and waited for.", "ipmmap stats .mmap/Demo_.mmap --seconds 10")
    add_file(stats)
    stats:option("--seconds", "How long to measure; Ctrl-C ends it earlier."):argname("SECONDS")
      :default("5"):convert(positive("--seconds"))
    stats:option("--probe", "Then take the lock so many times at random moments, in as long a " ..
      "time again, and tell how long it took."):argname("TIMES"):convert(count("--probe"))
    add_json(stats)
  end,
  function(parser)
    local doctor = command(parser, "doctor", "Check segments, or all in a directory.",
      "ipmmap doctor --repair .mmap")
    add_dir(doctor, "FILE|DIR", "targets", "Data files or directories."):args("+")
    doctor:flag("--repair", "Mend what can be mended without harm.")
    add_json(doctor)
  end,
  function(parser)
    local migrate = command(parser, "migrate", "Give a segment another layout, with its values.",
      "ipmmap migrate .mmap/Demo_.mmap --struct demo.lua:Demo --dry-run")
    add_file(migrate)
    add_struct(migrate)
    migrate:flag("--lossy", "Lose values that do not fit: numbers become zero, texts are cut.")
    migrate:flag("--dry-run", "Only print what would be kept, added and dropped."):target("dry_run")
    add_json(migrate)
  end,
  function(parser)
    local adopt = command(parser, "adopt", "Make a segment of a plain file that begins with a " ..
      "struct's bytes.", "ipmmap adopt .mmap/Demo_.mmap --struct demo.lua:Demo")
    add_argument(adopt, "FILE", "file", "The file, which becomes the segment.")
    add_struct(adopt)
    adopt:option("--tag", "Make another file, with this tag, and leave FILE as it is.")
      :argname("TAG"):convert(tag)
    adopt:option("--dir", "Make another file, in this directory, and leave FILE as it is.")
      :argname("DIR")
  end,
  function(parser)
    local record = command(parser, "record", "Record every commit with its time into a log.",
      "ipmmap record .mmap/Demo_.mmap -o demo.log --seconds 60")
    add_file(record)
    add_paths(record, "*", "Only these parts, and the commits that change them")
    record:option("-o --output", "The log, which must not exist yet."):argname("LOG"):count(1)
    record:option("--seconds", "Stop after so long; otherwise at Ctrl-C."):argname("SECONDS")
      :convert(positive("--seconds"))
    add_json(record)
    record:option("--commits", "Stop after so many commits."):argname("COUNT")
      :convert(count("--commits"))
  end,
  function(parser)
    local replay = command(parser, "replay", "Play a log back into a segment.",
      "ipmmap replay demo.log .mmap --tag replayed --speed 10")
    add_argument(replay, "LOG", "log", "What record wrote.")
    add_dir(replay, "DIR", "dir", "The segment's directory.")
    add_json(replay)
    replay:option("--tag", "The segment's tag; otherwise the recorded one's."):argname("TAG")
      :convert(tag)
    replay:option("--feed", "If it makes the segment: the size of its ring of commits, in bytes.")
      :argname("BYTES"):convert(bytes("--feed"))
    replay:option("--speed", "How many times faster, or max: without waiting."):argname("N")
      :default("1"):convert(speed)
  end,
  function(parser)
    local export = command(parser, "export", "Print a row for each commit of a log, or of a " ..
      "segment as the commits come.", "ipmmap export --csv demo.log count 'points[*].x' > demo.csv")
    add_argument(export, "LOG|FILE", "file", "What record wrote, or a data file.")
    add_paths(export, "*", "Only these columns")
    export:mutex(
      export:flag("--csv", "As CSV, with a heading (the default)."),
      export:flag("--jsonl", "As JSON Lines: an object for each commit."))
    export:option("--seconds", "Of a segment: stop after so long; otherwise at Ctrl-C.")
      :argname("SECONDS"):convert(positive("--seconds"))
    export:option("--commits", "Stop after so many commits."):argname("COUNT")
      :convert(count("--commits"))
  end,
  function(parser)
    local plot = command(parser, "plot", "Draw the values in a log over the time, by gnuplot.",
      "ipmmap plot demo.log count 'points[*].x' -o demo.svg")
    add_argument(plot, "LOG", "log", "What record wrote.")
    add_paths(plot, "+", "Which numbers")
    plot:option("-o --output", "The picture; its name ends in .svg, .png or .pdf.")
      :argname("PICTURE"):count(1)
  end,
  function(parser)
    local share = command(parser, "share", "Make this machine the home of segments, which " ..
      "others follow by a Redis server; or tell how that goes.",
      "ipmmap share rediss://home@redis.example .mmap/Demo_.mmap")
    add_argument(share, "URL", "url", "The server: redis[s]://[USER@]HOST[:PORT][/DB].")
      :args("?")
    add_argument(share, "FILE", "files", "Data files. With --status also directories."):args("*")
    share:mutex(
      share:flag("--status", "Tell the state of what share and follow do here, without URL: of " ..
        "each FILE, or all in a directory (./.mmap)."),
      share:flag("--end", "End the sharing of each FILE, without URL: it is a segment of this " ..
        "machine alone from now on."):target("ends"),
      share:flag("--force", "Take FILE's values where the server has others from another home."))
    add_json(share)
    add_member(share)
  end,
  function(parser)
    local follow = command(parser, "follow", "Keep replicas of segments whose home is another " ..
      "machine.", "ipmmap follow rediss://reader@redis.example Demo Game:left")
    add_argument(follow, "URL", "url", "The server: redis[s]://[USER@]HOST[:PORT][/DB].")
    add_argument(follow, "NAME[:TAG]", "names", "The structs, with the segments' tags."):args("+")
    follow:option("--dir", "The directory of the replicas."):argname("DIR"):default("./.mmap")
    follow:flag("--standby", "Become the home when there is none any more.")
    add_member(follow)
  end,
  function(parser)
    local rm = command(parser, "rm", "Destroy a segment, telling those who have it open.",
      "ipmmap rm .mmap/Demo_.mmap")
    add_file(rm)
  end,
  function(parser)
    command(parser, "man", "Print the manual page.", "ipmmap man | man -l -")
  end,
}

--- Makes the parser.
return function()
  local parser = argparse("ipmmap", "Look into shared memory segments of ipmmap, and work on them.")
    :epilog(EXIT_STATUS):command_target("command"):require_command(true)
  parser:help_max_width(80)
  parser:flag("--version", "Show the version and exit."):action(function()
    output.print("ipmmap %s", ipmmap._VERSION)
    os.exit(failure.status.ok)
  end)
  parser:option("--lock-dir", "The directory of the lock files; otherwise that of the data files.")
    :argname("DIR")
  parser:option("--trust", "Use files of this user (a name or a number), or of anyone, in " ..
    "directories that everybody may write to. Can be given several times.")
    :argname("USER"):count("*"):convert(user):action(add_trust)
  for _, add in ipairs(commands) do add(parser) end
  parser:add_complete_command {
    name = "completion", summary = "Print the completions for a shell.",
    description = "Print the completions for a shell: bash, zsh or fish.",
    epilog = "Example:\n   ipmmap completion bash > /etc/bash_completion.d/ipmmap",
  }
  function parser:error(message)
    io.stderr:write(self:get_usage(), "\n\n")
    output.say("%s", (message:gsub("\n", ". ")))
    os.exit(failure.status.usage)
  end
  return parser
end
