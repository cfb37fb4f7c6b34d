-- What every step of a load begins with: nothing is done unless our token holds the lease, or the refresh of the value.
local token = ARGV[1]
local head = redis.call('GETRANGE', key, 0, REFRESH_UNTIL_AT - 1)
local leased = head == LEASE .. token
if not leased and (head:sub(1, #VALUE) ~= VALUE or head:sub(REFRESH_AT + 1) ~= token) then
  return 0
end

