-- Deletes what is there, unless it is a guard: its last writer will.
-- KEYS[1] key · ARGV nothing
if what ~= 'guard' then
  return redis.call('UNLINK', key)
end
return 0
