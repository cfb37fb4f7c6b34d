-- Acquires the refresh of a value, unless another runs or backs off; with force, also then.
-- ARGV the expected header, token, lifetime unless renewed (ms), force (0 or 1)
local expected = ARGV[1]
if #expected ~= HEADER_LEN or expected:sub(1, #VALUE) ~= VALUE
  or redis.call('GETRANGE', key, '0', HEADER_LAST_ARG) ~= expected then
  return 0
end
local now = clock()
local ends = struct.unpack(TIME, expected, REFRESH_UNTIL_AT + 1)
-- A deadline further ahead than any that is set is from before the clock went back.
if ARGV[4] == '0' and ends > now and ends <= now + LONGEST then
  return 0
end
redis.call('SETRANGE', key, REFRESH_ARG, ARGV[2] .. struct.pack(TIME, now + ARGV[3]))
return 1
