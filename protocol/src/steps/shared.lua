local key = KEYS[1]

-- The server's clock (ms).
local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- A deadline, so many milliseconds ahead.
local function ahead(ms)
  return struct.pack(TIME, clock() + ms)
end

-- Stores a value, and stamps it with the server's clock.
local function store(value, ttl)
  redis.call('SET', key, value, 'PX', ttl)
  redis.call('SETRANGE', key, STORED_AT, ahead(0))
end

