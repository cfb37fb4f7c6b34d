-- Keeps our lease, or our refresh.
-- ARGV token, how long it may go unrenewed (ms)
if leased then
  return redis.call('PEXPIRE', key, ARGV[2])
end
redis.call('SETRANGE', key, REFRESH_UNTIL_AT, ahead(ARGV[2]))
return 1
