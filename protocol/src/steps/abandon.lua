-- Gives up a lease or a refresh. A value stays, and others may refresh it after a pause; or it is deleted.
-- ARGV token[, number of failures in a row (as a token), length of the pause (ms)]
if leased or not ARGV[2] then
  return redis.call('UNLINK', key)
end
redis.call('SETRANGE', key, REFRESH_AT, ARGV[2] .. deadline(ARGV[3]))
return 1
