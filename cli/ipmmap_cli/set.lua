--- ipmmap set: sets one value, or several in one transaction.
local failure = require "ipmmap_cli.failure"
local input = require "ipmmap_cli.input"
local parts = require "ipmmap_cli.parts"
local segment = require "ipmmap_cli.segment"
local types = require "ipmmap_cli.types"

-- Splits an argument PATH=VALUE, PATH+=VALUE or PATH-=VALUE.
-- @return path, "+", "-" or "", value; the argument, "" and nil if it has no "="
local function split(argument)
  local path, sign, written = argument:match("^([^=]-)([+-]?)=(.*)$")
  return path or argument, sign or "", written
end

-- Adds what an argument assigns: one value, or one for each element that a wildcard matches. With
-- --json it can be a PATH alone, whose value comes from standard input.
-- @param whole the struct's value, whose lists decide what a wildcard matches
local function add_assignments(list, S, argument, is_json, whole)
  local pattern, sign, written = split(argument)
  if not written and not is_json then
    failure.raise("usage", "'%s' is not PATH=VALUE", argument)
  end
  local read = is_json and input.read_json or input.read
  written = written or io.read("a")
  for _, part in ipairs(parts.of(S, { pattern }, whole)) do
    local assignment = { path = part.path }
    if sign == "" then
      assignment.data, assignment.cleared = read(S, part.path, written)
    else
      assignment.addend = input.read_addend(S, part.path, sign, written)
    end
    list[#list + 1] = assignment
  end
end

local function read_assignments(handle, S, args)
  if #args.assignments == 0 then return input.read_struct(S, io.read("a")) end
  local list, whole = {}, types.is_dynamic(types.of(S)) and handle:snapshot() or nil
  for _, argument in ipairs(args.assignments) do
    add_assignments(list, S, argument, args.json, whole)
  end
  return list
end

-- Checks the arguments. Only one value can come from standard input, because it is read only once.
local function check(args)
  local from_input, given = 0, {}
  for _, argument in ipairs(args.assignments) do
    local path = split(argument)
    if given[path] then failure.raise("usage", "'%s' is given twice", path) end
    given[path] = true
    if path == argument then from_input = from_input + 1 end
  end
  if #args.assignments == 0 and not args.json then
    failure.raise("usage", "missing argument 'PATH=VALUE'; --json sets what standard input has")
  elseif args.json and from_input > 1 then
    failure.raise("usage", "only one PATH can have its value from standard input")
  end
end

-- Makes the changes of an assignment. Optional fields that become nil come last, because a table
-- that is assigned has no key for them.
local function assign(editor, assignment)
  local path, data = assignment.path, assignment.data
  if assignment.addend then
    failure.of_user(editor.add, editor, path, assignment.addend)
  elseif data ~= nil then
    failure.of_user(editor.write, editor, path, data)
  end
  for _, cleared in ipairs(assignment.cleared or {}) do
    failure.of_user(editor.write, editor, cleared, nil)
  end
end

-- Makes the change in the segment here.
local function set_here(args)
  local editor <close>, S = segment.open("editor", args.file, args)
  local assignments = read_assignments(editor, S, args)
  local view <close>, message, code = editor:try_lock(args.timeout)
  if code == "not_home" and editor:share().place == "replica" then
    failure.raise(code, "%s; --url sets the value there", message)
  end
  failure.assert(view, message, code)
  for _, assignment in ipairs(assignments) do assign(editor, assignment) end
end

local SERVER <const> = { "password_file", "ca", "cert", "key", "insecure" }

-- Makes the change at the segment's home, by a server.
local function set_at_home(args)
  local reader <close>, S = segment.open("reader", args.file, args)
  local assignments = read_assignments(reader, S, args)
  local options = { timeout = args.timeout, lock_dir = args.lock_dir, trust = args.trust }
  for _, name in ipairs(SERVER) do options[name] = args[name] end
  local remote <close> = failure.assert(require "ipmmap_share.remote"(args.file, args.url, options))
  failure.assert(remote:edit(function(draft)
    for _, assignment in ipairs(assignments) do assign(draft, assignment) end
  end))
end

return function(args)
  check(args)
  for _, name in ipairs(SERVER) do
    if args[name] and not args.url then
      failure.raise("usage", "--%s goes with --url", (name:gsub("_", "-")))
    end
  end
  local run = args.url and set_at_home or set_here
  run(args)
end
