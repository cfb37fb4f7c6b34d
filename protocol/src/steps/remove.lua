-- Deletes what is there. A guard is left to its last writer, and marked.
if what == 'guard' then
  mark()
  return 0
end
return redis.call('UNLINK', key)
