-- Keeps our lease.
-- KEYS[1] key · ARGV lease, its time (ms)
if redis.call('GETRANGE', KEYS[1], 0, 11) ~= ARGV[1] then
  return 0
end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
