-- Wins the refresh of the value that was seen, unless another runs or rests; with force, also then.
-- ARGV the head that was seen, token, how long it may go unrenewed (ms), force (0 or 1)
local seen = ARGV[1]
if #seen ~= HEADER_LEN or seen:sub(1, #VALUE) ~= VALUE or redis.call('GETRANGE', key, 0, HEADER_LEN - 1) ~= seen then
  return 0
end
local now = clock()
local ends = struct.unpack(TIME, seen, REFRESH_UNTIL_AT + 1)
-- A refresh that is said to go on for longer than any does began before the clock went back.
if ARGV[4] == '0' and ends > now and ends <= now + LONGEST then
  return 0
end
redis.call('SETRANGE', key, REFRESH_AT, ARGV[2] .. struct.pack(TIME, now + ARGV[3]))
return 1
