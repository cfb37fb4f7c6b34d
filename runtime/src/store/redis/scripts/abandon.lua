-- Gives our lease up.
-- KEYS[1] key · ARGV lease
if redis.call('GETRANGE', KEYS[1], 0, 11) ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
