-- Becomes the loader if the entry is still the expected one.
-- ARGV the expected header (empty: no entry), token, lifetime of the lease (ms)
local header = redis.call('GETRANGE', key, 0, HEADER_LEN - 1)
if header ~= ARGV[1] or (header == '' and redis.call('EXISTS', key) == 1) then
  return 0
end
redis.call('SET', key, LEASE .. ARGV[2], 'PX', ARGV[3])
return 1
