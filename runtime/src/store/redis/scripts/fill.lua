-- Stores a value in the place of our lease, and stamps it with the server's clock.
-- KEYS[1] key · ARGV lease, value, ttl (ms)
if redis.call('GETRANGE', KEYS[1], 0, 11) ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
local time = redis.call('TIME')
redis.call('SETRANGE', KEYS[1], 26, struct.pack('>I6', time[1] * 1000 + math.floor(time[2] / 1000)))
return 1
