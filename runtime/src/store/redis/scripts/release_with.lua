-- Leaves a guard like `release`. Was nobody else ever in it, the value takes its place, stamped with the server's clock.
-- KEYS[1] key · ARGV token, value, ttl (ms)
if what ~= 'guard' then
  redis.call('UNLINK', key)
  return 0
end
local rest, inside, overlapped = others()
if not inside then
  return mark()
elseif rest ~= '' or overlapped then
  put(rest, overlapped)
  return 0
end
redis.call('SET', key, ARGV[2], 'PX', ARGV[3])
redis.call('SETRANGE', key, 26, struct.pack('>I6', now))
return 1
