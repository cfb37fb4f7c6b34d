-- Keeps our place in a guard.
-- ARGV token, how long it may go unrenewed (ms)
if what ~= 'guard' then
  return 0
end
local rest, inside, overlapped = others()
if not inside then
  return 0
end
put(rest .. slot(ARGV[2]), overlapped)
return 1
