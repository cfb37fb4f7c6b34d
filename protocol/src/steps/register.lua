-- Registers a local copy of the value with the expected header, unless a refresh runs, or of what carries the expected version of a tag.
-- Answers for how long it may be used (ms): no longer than the value is fresh, and what was compared stands; and the time of the server.
-- ARGV the expected header or version, for how long (ms)
local begin = redis.call('GETRANGE', key, '0', LOCAL_LAST_ARG)
local of_tag = begin:sub(1, #TAG) == TAG
if begin:sub(1, of_tag and TAG_LEN or HEADER_LEN) ~= ARGV[1] or not copied_until_at(begin)
  or not of_tag and begin:sub(1, #VALUE) ~= VALUE then
  return 0
end
local now = clock()
local ends = now + ARGV[2]
if not of_tag then
  -- A number below 256 is no token: all its bytes but the last are zeros.
  local runs = begin:sub(REFRESH_AT + 1, REFRESH_UNTIL_AT - 1) ~= ('\0'):rep(TOKEN_LEN - 1)
  if runs and struct.unpack(TIME, begin, REFRESH_UNTIL_AT + 1) > now then
    return 0
  end
  local stored = struct.unpack(TIME, begin, STORED_AT + 1)
  ends = math.min(ends, stored + struct.unpack(FRESH_FOR, begin, FRESH_FOR_AT + 1))
end
local ttl = redis.call('PTTL', key)
if ttl >= 0 then
  ends = math.min(ends, now + ttl)
end
if ends <= now then
  return 0
elseif copied_until(begin, now) < ends then
  set_copied_until(begin, ends)
end
return struct.pack(TIME, ends - now) .. struct.pack(TIME, now)
