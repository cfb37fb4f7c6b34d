-- Deletes the value that we refresh: there is nothing to be stored any more.
-- KEYS[1] key · ARGV token
return redis.call('UNLINK', key)
