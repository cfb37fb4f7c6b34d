-- Places a guard over whatever is there, or joins the one that is.
-- ARGV token, how long it may go unrenewed (ms)
local rest, overlapped = '', false
if what == 'guard' then
  local _
  rest, _, overlapped = others()
end
put(rest .. slot(ARGV[2]), overlapped or rest ~= '')
return 1
