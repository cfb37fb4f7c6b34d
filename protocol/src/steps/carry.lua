-- The version of a tag, for a load whose entry will carry it. A missing one is created; it lives for as long as the entry may.
-- ARGV a fresh version, lifetime (ms)
local slot = redis.call('GETRANGE', key, '0', TAG_END_ARG)
local header = slot:sub(1, #TAG)
if header == GUARD then
  return 0
elseif slot == '' and redis.call('EXISTS', key) == 1 or slot ~= '' and header ~= TAG then
  return -1
elseif #slot ~= TAG_LEN and #slot ~= TAG_END then
  redis.call('SET', key, TAG .. ARGV[1], 'PX', ARGV[2])
  return ARGV[1]
elseif redis.call('PTTL', key) < tonumber(ARGV[2]) then
  redis.call('PEXPIRE', key, ARGV[2])
end
return slot:sub(#TAG + 1, TAG_LEN)
