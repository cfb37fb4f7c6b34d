-- Takes the refresh of the value that was seen, whoever has it.
-- KEYS[1] key · ARGV the head that was seen, token, how long it may go unrenewed (ms)
local seen = ARGV[1]
if #seen ~= 52 or seen:sub(1, 4) ~= '\202\93\225\16' or redis.call('GETRANGE', KEYS[1], 0, 51) ~= seen then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('SETRANGE', KEYS[1], 12, ARGV[2] .. struct.pack('>I6', now + ARGV[3]))
return 1
