--- `exists(path)` says whether there is a file or a directory of that name.
return function(path)
  local file = io.open(path)
  if file then file:close() end
  return file ~= nil
end
