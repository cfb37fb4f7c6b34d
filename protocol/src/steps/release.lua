-- Leaves a guard, which the last writer deletes; without a guard, deletes the entry. A guard that the token is
-- not in stays, and is marked. While the guard settles, the slot of the token stays. If no other writer was ever
-- inside, a value may replace the guard. Answers whether one did, or else what is left of the local copies (ms).
-- ARGV token, settle (ms)[, value, ttl (ms)]
local slots, inside, overlapped, settle = '', true, false, tonumber(ARGV[2])
if current == 'guard' then
  slots, inside, overlapped = others()
end
if settle > 0 then
  put(slots .. slot(now + settle), overlapped or slots ~= '')
elseif not inside then
  mark()
elseif ARGV[3] and current == 'guard' and slots == '' and not overlapped and copied == 0 then
  if pcall(store, ARGV[3], ARGV[4]) then
    return 'stored'
  end
  -- The memory of the server is full.
  put(slots, overlapped)
else
  put(slots, overlapped)
end
return left()
