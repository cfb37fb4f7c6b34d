-- Keeps our refresh.
-- KEYS[1] key · ARGV token, how long it may go unrenewed (ms)
redis.call('SETRANGE', key, 20, struct.pack('>I6', now + ARGV[2]))
return 1
