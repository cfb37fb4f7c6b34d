-- Renews a lease, or a refresh.
-- ARGV token, lifetime from now on (ms)
if leased then
  return redis.call('PEXPIRE', key, ARGV[2])
end
redis.call('SETRANGE', key, REFRESH_UNTIL_ARG, deadline(ARGV[2]))
return 1
