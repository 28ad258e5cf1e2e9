--- `exists(path)` says whether there is a file or a directory of that name.
return function(path)
  local file <close> = io.open(path)
  return file ~= nil
end
