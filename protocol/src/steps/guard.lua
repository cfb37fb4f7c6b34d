-- Places a guard in the place of the entry, or joins the current guard.
-- ARGV token, lifetime unless renewed (ms)
local slots, overlapped = '', false
if current == 'guard' then
  local _
  slots, _, overlapped = others()
end
put(slots .. slot(ARGV[2]), overlapped or slots ~= '')
return 1
