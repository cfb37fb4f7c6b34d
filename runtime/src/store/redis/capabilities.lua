-- Calls every command that the scripts of the steps call, on a key that nobody has, so that nothing is changed. Returns the names of
-- those that are refused, each followed by what was said.
-- KEYS[1] key, or ARGV[1] where it may be on another node
local key = KEYS[1] or ARGV[1]
local refused = {}
local function try(name, ...)
  local answer = redis.pcall(name, ...)
  if type(answer) == 'table' and answer.err then
    refused[#refused + 1] = name
    refused[#refused + 1] = answer.err
  end
  return answer
end
try('time')
try('get', key)
try('getrange', key, 0, 3)
if try('exists', key) ~= 1 then
  try('set', key, '', 'XX', 'PX', 1)
  try('setrange', key, 0, '')
  try('pexpire', key, 1)
  try('unlink', key)
end
return refused
