-- The beginning of every step of a load: it does nothing unless the token holds the lease, or the refresh of the value.
local token = ARGV[1]
local begin = redis.call('GETRANGE', key, '0', LOCAL_LAST_ARG)
local leased = begin == LEASE .. token
if not leased and (begin:sub(1, #VALUE) ~= VALUE or begin:sub(REFRESH_AT + 1, REFRESH_UNTIL_AT) ~= token) then
  return 0
end

