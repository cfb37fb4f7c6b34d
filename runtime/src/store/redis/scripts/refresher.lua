-- What every script of a refresh begins with: nothing is done unless the value is there and its refresh is ours.
local key, token = KEYS[1], ARGV[1]
local head = redis.call('GETRANGE', key, 0, 19)
if head:sub(1, 4) ~= '\202\93\225\16' or head:sub(13) ~= token then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
