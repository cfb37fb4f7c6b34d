-- Stores a value in the place of the one that we refresh, and stamps it with the server's clock.
-- KEYS[1] key · ARGV token, value, ttl (ms)
redis.call('SET', key, ARGV[2], 'PX', ARGV[3])
redis.call('SETRANGE', key, 26, struct.pack('>I6', now))
return 1
