--- ipmmap doctor: finds what is wrong with a segment or a directory, and repairs it if that is
-- safe.
local failure = require "ipmmap_cli.failure"
local deadlocks = require "ipmmap_cli.deadlocks"
local files = require "ipmmap_cli.files"
local ipmmap = require "ipmmap"
local output = require "ipmmap_cli.output"
local processes = require "ipmmap_cli.processes"
local segment = require "ipmmap_cli.segment"
local shared = require "ipmmap_cli.shared"
local text = require "ipmmap_cli.text"
local uv = require "luv"

local OTHERS_WRITE <const>, STICKY <const> = 2, 512 -- bits of a file's mode: o+w, t
local DIRECTORY <const> = "directory"

-- A check calls report(problem, repair, is_note). It passes a function `repair` if the problem can
-- be repaired safely. With --repair, that function is called. It may return a text that says what
-- it has done. A note is not counted as a problem.

local function check_permissions(path, report)
  local status = files.status(path)
  if status and status.mode & OTHERS_WRITE ~= 0 then
    report("every user of this machine may write to it (chmod o-w, unless that is meant)")
  end
end

local function check_directory_permissions(dir, report)
  local status = uv.fs_stat(dir)
  if status and status.mode & OTHERS_WRITE ~= 0 and status.mode & STICKY == 0 then
    report("every user of this machine may replace the files in it (chmod o-w, or +t)")
  end
end

-- Locks the segment for writing and unlocks it again: a writer that gets the lock rolls back what a
-- dead writer left unfinished.
local function recover(path, args)
  local editor <close> = segment.open("editor", path, args)
  local _ <close> = failure.assert(editor:try_lock(1))
end

-- Removes a retired data file. Its manager died after it had retired the file and before it could
-- remove the file's name.
local function remove_retired(S, options)
  local manager <close> = failure.assert(ipmmap.manager(S, {
    create = true, mmap_dir = options.mmap_dir, lock_dir = options.lock_dir, tag = options.tag,
    trust = options.trust,
  }))
  manager:destroy()
end

-- Opens a segment again whose manager died while it migrated the segment. The values are there.
local function revive(S, options)
  options.create = true
  failure.assert(ipmmap.manager(S, options)):close()
end

local function check_users(users, report)
  for _, user in ipairs(users) do
    if not user.alive and not user.writes then
      report(("process %d died with a read lock; the next one gets it"):format(user.pid), nil, true)
    end
  end
end

-- Notes that nobody is left who could write, while readers have the segment open. A writer that is
-- gone is no problem by itself: `ipmmap set` is one, too.
local function check_writers(reader, report)
  local info = reader:info()
  local attached = processes.grouped(info.attached)
  if not info.last_writer or info.last_writer.alive ~= false or #attached == 0 then return end
  for _, one in ipairs(attached) do
    if one.role ~= "reader" then return end
  end
  local readers = #attached == 1 and processes.describe(attached[1].pid) .. " reads it"
    or ("%d processes read it"):format(#attached)
  report(("its last writer, process %d, is gone: the last commit was at %s, no process has it open "
    .. "for writing, and %s"):format(info.last_writer.pid, output.time(info.last_commit), readers),
    nil, true)
end

-- Notes that a segment that several machines have is not served.
local function check_share(reader, path, args, report)
  local share = reader:share()
  if share.place == "unshared" then return end
  local sentence, is_served = shared.explain(share, path, args)
  if not is_served then report(sentence, nil, true) end
end

-- Reports the first value that is outside its limits, or the first list whose count is damaged.
local function check_values(reader, report)
  local ok, message = ipmmap.check(reader:snapshot())
  if not ok then report(message) end
end

local function check_open(path, args, report)
  local reader <close>, message, code = segment.try_open("reader", path, args)
  if not reader then return report(("%s (%s)"):format(message, code)) end
  check_values(reader, report)
  if not reader:info().lockable then
    local _, why = reader:try_lock(0)
    return report(("no locks: %s"):format(why))
  end
  if reader:info().pending then
    report("its last writer died in a transaction, which is yet to be undone",
      function() recover(path, args) end)
  end
  local users = reader:users()
  check_users(users, report)
  check_writers(reader, report)
  check_share(reader, path, args, report)
  check_permissions(reader:info().lock_path, function(problem)
    report("its lock file: " .. problem)
  end)
  return users
end

-- Reports why the file cannot be opened. Only a wrong header code can be repaired, because its
-- right value is always the same. Any other damage could only be repaired by guessing.
local function report_damage(path, args, message, code, report)
  local repair
  if message:find("the header code", 1, true) then
    repair = function()
      failure.assert(failure.of_user(ipmmap.repair, path, {
        lock_dir = args.lock_dir, trust = args.trust,
      }))
      return "the header code was written again"
    end
  elseif message:find("or is damaged", 1, true) then
    message = message .. ", which cannot be repaired without guessing"
  end
  report(("%s (%s)"):format(message, code), repair)
end

local function check_file(path, args, report)
  local S, options, code = segment.describe(path, args)
  if not S then
    if code == "not_found" then return end -- destroyed since the directory was read
    return report_damage(path, args, options, code, report)
  end
  check_permissions(path, report)
  local reader, message = ipmmap.reader(S, options)
  if reader then
    reader:close()
  elseif message:find("was destroyed", 1, true) and files.status(path) then
    return report("its manager died while removing or replacing it",
      function() remove_retired(S, options) end)
  elseif message:find("was not finished", 1, true) and files.status(path) then
    return report("its manager died while migrating it to another layout",
      function() revive(S, options) end)
  end
  return check_open(path, args, report)
end

-- Reports an unfinished data file whose creator died.
local function check_leftover(path, inspect)
  local pid = math.tointeger(tonumber(path:match("%.(%d+)%-[^/]*%.new$")))
  if not pid or files.is_alive(pid) then return end
  inspect(path, function(report)
    report(("left behind by process %d, which died while creating a segment"):format(pid),
      function() files.assert(uv.fs_unlink(path)) end)
  end)
end

local function check_lock(path, inspect)
  if files.status((path:gsub("%.lock$", ".mmap"))) then return end
  inspect(path, function(report)
    report("a lock file without a data file; harmless", nil, true)
  end)
end

local function check_directory(dir, args, inspect)
  inspect(dir, function(report) check_directory_permissions(dir, report) end)
  for _, path in ipairs(files.in_directory(dir, "%.mmap$")) do
    inspect(path, function(report) return check_file(path, args, report) end)
  end
  for _, path in ipairs(files.in_directory(dir, "%.new$")) do
    check_leftover(path, inspect)
  end
  if not args.lock_dir then
    for _, path in ipairs(files.in_directory(dir, "%.lock$")) do
      check_lock(path, inspect)
    end
  end
end

-- Runs check(report) and adds the problems that it reports of the path to the findings, with the
-- users of the lock that it returns. Repairs the problems if `repairs` is set.
local function inspect(findings, path, check, repairs)
  local finding = { path = path, problems = {} }
  findings[#findings + 1] = finding
  finding.users = check(function(problem, repair, is_note)
    local entry = { problem = failure.reword(problem), is_note = is_note, repaired = false }
    entry.repairable = repair ~= nil
    if repair and repairs then
      local ok, why = pcall(repair)
      entry.repaired = ok
      if ok and why then
        entry.problem = ("%s; %s"):format(entry.problem, why)
      elseif not ok then
        entry.repairable = false
        entry.problem = ("%s; cannot repair it: %s"):format(entry.problem,
          failure.reword(type(why) == "table" and why.message or why))
      end
    end
    table.insert(finding.problems, entry)
  end)
end

local function print_findings(findings)
  for _, finding in ipairs(findings) do
    local path = text.visible(finding.path)
    if #finding.problems == 0 then
      output.print("%s: %s", path, output.paint("green", "ok"))
    end
    for _, entry in ipairs(finding.problems) do
      local ending = entry.repaired and output.paint("green", " (repaired)")
        or entry.repairable and " (--repair mends it)" or ""
      output.print("%s: %s%s", path,
        output.paint(entry.is_note and "dim" or "red", text.visible(entry.problem)), ending)
    end
  end
end

local function print_json(findings)
  local list = {}
  for i, finding in ipairs(findings) do
    local problems = {}
    for j, entry in ipairs(finding.problems) do
      problems[j] = output.object {
        { "problem", entry.problem }, { "harmless", entry.is_note or false },
        { "repairable", entry.repairable }, { "repaired", entry.repaired },
      }
    end
    list[i] = output.object { { "path", finding.path }, { "problems", output.array(problems) } }
  end
  output.json(output.array(list))
end

-- Whether a thread waits for the lock of a segment that was checked.
local function is_waited_for(findings)
  for _, finding in ipairs(findings) do
    for _, user in ipairs(finding.users or {}) do
      if user.waits then return true end
    end
  end
  return false
end

-- The data files among which deadlocks are looked for: those that were checked, and those beside a
-- target, because a deadlock has two at least.
local function files_around(targets, findings)
  local list, seen = {}, {}
  local function add(path)
    local key = table.concat({ segment.split(path) }, "/")
    if not seen[key] then seen[key], list[#list + 1] = true, path end
  end
  for _, finding in ipairs(findings) do
    if finding.users then add(finding.path) end
  end
  for _, target in ipairs(targets) do
    if files.assert(files.status(target)).type ~= DIRECTORY then
      for _, path in ipairs(files.in_directory((segment.split(target)), "%.mmap$")) do add(path) end
    end
  end
  return list
end

-- Adds each deadlock to the finding of one of its segments.
local function check_deadlocks(args, findings)
  if not is_waited_for(findings) then return end
  local by_path = {}
  for _, finding in ipairs(findings) do by_path[finding.path] = finding end
  for _, deadlock in ipairs(deadlocks.find(files_around(args.targets, findings), args)) do
    for _, path in ipairs(deadlock.paths) do
      if by_path[path] then
        table.insert(by_path[path].problems,
          { problem = deadlock.text, repairable = false, repaired = false })
        break
      end
    end
  end
end

return function(args)
  local findings = {}
  local function add(path, check) inspect(findings, path, check, args.repair) end
  for _, target in ipairs(args.targets) do
    if files.assert(files.status(target)).type == DIRECTORY then
      check_directory(target, args, add)
    else
      add(target, function(report) return check_file(target, args, report) end)
    end
  end
  check_deadlocks(args, findings)
  if args.json then print_json(findings) else print_findings(findings) end
  for _, finding in ipairs(findings) do
    for _, entry in ipairs(finding.problems) do
      if not entry.repaired and not entry.is_note then return failure.status.differs end
    end
  end
end
