-- Stores a value in the place of our lease, or of the value that we refresh.
-- ARGV token, value, ttl (ms)
store(ARGV[2], ARGV[3])
return 1
