-- Becomes the loader if what was seen still stands there.
-- KEYS[1] key · ARGV the head that was seen (empty: nothing), lease, its time (ms)
local head = redis.call('GETRANGE', KEYS[1], 0, 51)
if head ~= ARGV[1] or (head == '' and redis.call('EXISTS', KEYS[1]) == 1) then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
