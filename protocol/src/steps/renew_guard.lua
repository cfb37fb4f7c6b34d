-- Renews the slot of the token in a guard.
-- ARGV token, lifetime from now on (ms)
if current ~= 'guard' then
  return 0
end
local slots, inside, overlapped = others()
if not inside then
  return 0
end
put(slots .. slot(now + ARGV[2]), overlapped)
return 1
