-- Stores a value in the place of the lease, or of the value that is refreshed.
-- ARGV token, value, ttl (ms)
store(ARGV[2], ARGV[3])
return 1
