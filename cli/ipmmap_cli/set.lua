--- ipmmap set: one value, or several as one transaction.
local failure = require "ipmmap_cli.failure"
local segment = require "ipmmap_cli.segment"
local value = require "ipmmap_cli.value"

local function read_assignments(S, texts)
  local list = {}
  for i, text in ipairs(texts) do
    local path, written = text:match("^([^=]*)=(.*)$")
    if not path then failure.raise("usage", "'%s' is not PATH=VALUE", text) end
    list[i] = { path = path, data = value.read(S, path, written) }
  end
  return list
end

return function(args)
  local editor <close>, S = segment.open("editor", args.file, args.lock_dir)
  local assignments = read_assignments(S, args.assignments)
  local _ <close> = failure.assert(editor:try_lock(args.timeout))
  for _, assignment in ipairs(assignments) do
    failure.of_user(editor.write, editor, assignment.path, assignment.data)
  end
end
