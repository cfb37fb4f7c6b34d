-- Wins the refresh of the value that was seen, unless another runs or rests.
-- KEYS[1] key · ARGV the head that was seen, token, how long it may go unrenewed (ms)
local seen = ARGV[1]
if #seen ~= 52 or seen:sub(1, 4) ~= '\202\93\225\16' or redis.call('GETRANGE', KEYS[1], 0, 51) ~= seen then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- A refresh that is said to go on for more than an hour began before the clock went back.
local ends = struct.unpack('>I6', seen, 21)
if ends > now and ends <= now + 3600 * 1000 then
  return 0
end
redis.call('SETRANGE', KEYS[1], 12, ARGV[2] .. struct.pack('>I6', now + ARGV[3]))
return 1
