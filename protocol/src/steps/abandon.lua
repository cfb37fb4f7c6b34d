-- Gives our lease or our refresh up. The value stays, and others begin a refresh after a pause; or it goes.
-- ARGV token[, how many have failed in a row (as a token), the pause (ms)]
if leased or not ARGV[2] then
  return redis.call('UNLINK', key)
end
redis.call('SETRANGE', key, REFRESH_AT, ARGV[2] .. ahead(ARGV[3]))
return 1
