-- Stores a value in the place of the lease, or of the value that is refreshed: that not before the local copies of it are over. Answers
-- 1, and what is left of those (ms) if it is refused.
-- ARGV token, value, ttl (ms)
if not leased then
  local now = clock()
  local copied = copied_until(begin, now)
  if copied > 0 then
    -- Also if that was cut: so it ends.
    set_copied_until(begin, copied)
    return copied - now + 1
  end
end
store(ARGV[2], ARGV[3])
return 1
