-- Deletes the entry. A guard is left to its last writer, and marked.
if current == 'guard' then
  mark()
  return 0
end
return redis.call('UNLINK', key)
