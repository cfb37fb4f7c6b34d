-- Leaves a guard, the last one out deleting it; without a guard, deletes what is there. A guard that we are
-- not in is left where it is, and marked. While it settles, our slot stays that much longer. Was nobody else
-- ever in it, a value takes its place.
-- ARGV token, settle (ms)[, value, ttl (ms)]
local rest, inside, overlapped, settle = '', true, false, tonumber(ARGV[2])
if what == 'guard' then
  rest, inside, overlapped = others()
end
if settle > 0 then
  put(rest .. slot(settle), overlapped or rest ~= '')
elseif not inside then
  mark()
elseif ARGV[3] and what == 'guard' and rest == '' and not overlapped then
  store(ARGV[3], ARGV[4])
  return 1
else
  put(rest, overlapped)
end
return 0
