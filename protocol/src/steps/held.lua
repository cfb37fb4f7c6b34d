-- The beginning of every step of a load: it does nothing unless the token holds the lease, or the refresh of the value.
local token = ARGV[1]
local header = redis.call('GETRANGE', key, 0, REFRESH_UNTIL_AT - 1)
local leased = header == LEASE .. token
if not leased and (header:sub(1, #VALUE) ~= VALUE or header:sub(REFRESH_AT + 1) ~= token) then
  return 0
end

