-- Gives up a lease or a refresh. A value stays, and others may refresh it after a pause; or it is deleted. Answers 1, and what is left
-- of the local copies of a value that is deleted: until then a guard without writers stands in its place.
-- ARGV token[, number of failures in a row (as a token), length of the pause (ms)]
if leased then
  return redis.call('UNLINK', key)
elseif ARGV[2] then
  redis.call('SETRANGE', key, REFRESH_ARG, ARGV[2] .. deadline(ARGV[3]))
  return 1
end
local now = clock()
local copied = copied_until(begin, now)
if copied == 0 then
  return redis.call('UNLINK', key)
end
redis.call('SET', key, GUARD .. '\0' .. struct.pack(TIME, copied), 'PX', copied - now)
return copied - now + 1
