-- Deletes what is there. A guard is left to its last writer, and marked.
-- KEYS[1] key · ARGV nothing
if what ~= 'guard' then
  return redis.call('UNLINK', key)
end
return mark()
