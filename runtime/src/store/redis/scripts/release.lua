-- Leaves a guard, the last one out deleting it; without a guard, deletes what is there. A guard that we are
-- not in is left where it is, and marked. While it settles, our slot stays that much longer.
-- KEYS[1] key · ARGV token, settle (ms)
local rest, inside, overlapped, settle = '', true, false, tonumber(ARGV[2])
if what == 'guard' then
  rest, inside, overlapped = others()
end
if settle > 0 then
  put(rest .. slot(settle), overlapped or rest ~= '')
elseif inside then
  put(rest, overlapped)
else
  return mark()
end
return 1
