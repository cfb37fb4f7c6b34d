-- Places a guard in the place of the entry, or joins the current guard. Answers what is left of the local copies (ms).
-- ARGV token, lifetime unless renewed (ms)
local slots, inside, overlapped = '', true, false
if current == 'guard' then
  slots, inside, overlapped = others()
end
-- A guard that comes late does not cut one that settles.
local ends = math.max(now + ARGV[2], deadline_inside)
-- Whoever left a guard without writers behind has written.
put(slots .. slot(ends), overlapped or slots ~= '' or not inside and copied > 0)
return left()
