-- Becomes the loader if what was seen still stands there.
-- ARGV the head that was seen (empty: nothing), token, the lease's time (ms)
local head = redis.call('GETRANGE', key, 0, HEADER_LEN - 1)
if head ~= ARGV[1] or (head == '' and redis.call('EXISTS', key) == 1) then
  return 0
end
redis.call('SET', key, LEASE .. ARGV[2], 'PX', ARGV[3])
return 1
