-- Registers a local copy of the value with the expected header, unless a refresh runs. Answers for how long it may be used (ms): no longer
-- than the value is fresh, and stands; and the time of the server.
-- ARGV the expected header, for how long (ms)
local begin = redis.call('GETRANGE', key, 0, LOCAL_END - 1)
if begin:sub(1, HEADER_LEN) ~= ARGV[1] or begin:sub(1, #VALUE) ~= VALUE or not can_have_copies(begin) then
  return 0
end
local now = clock()
-- A number below 256 is no token: all its bytes but the last are zeros.
local runs = begin:sub(REFRESH_AT + 1, REFRESH_UNTIL_AT - 1) ~= ('\0'):rep(TOKEN_LEN - 1)
if runs and struct.unpack(TIME, begin, REFRESH_UNTIL_AT + 1) > now then
  return 0
end
local fresh = struct.unpack(TIME, begin, STORED_AT + 1) + struct.unpack(FRESH_FOR, begin, FRESH_FOR_AT + 1)
local ends = math.min(now + ARGV[2], fresh)
local ttl = redis.call('PTTL', key)
if ttl >= 0 then
  ends = math.min(ends, now + ttl)
end
if ends <= now then
  return 0
elseif copied_until(begin, now) < ends then
  set_copied_until(ends)
end
return struct.pack(TIME, ends - now) .. struct.pack(TIME, now)
