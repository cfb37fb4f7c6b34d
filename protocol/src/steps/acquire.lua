-- Becomes the loader if the entry is still the expected one, and there are no local copies of it (2).
-- ARGV the expected header (empty: no entry), token, lifetime of the lease (ms)
local begin = redis.call('GETRANGE', key, '0', LOCAL_LAST_ARG)
if begin:sub(1, HEADER_LEN) ~= ARGV[1] or (begin == '' and redis.call('EXISTS', key) == 1) then
  return 0
end
local copied = copied_until_at(begin) and copied_until(begin, clock()) or 0
if copied > 0 then
  -- Also if that was cut: so it ends.
  set_copied_until(begin, copied)
  return 2
end
redis.call('SET', key, LEASE .. ARGV[2], 'PX', ARGV[3])
return 1
