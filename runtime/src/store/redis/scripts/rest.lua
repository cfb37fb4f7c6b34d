-- Gives our refresh up; others begin one after a pause.
-- KEYS[1] key · ARGV token, how many have failed in a row (8 bytes), the pause (ms)
redis.call('SETRANGE', key, 12, ARGV[2] .. struct.pack('>I6', now + ARGV[3]))
return 1
