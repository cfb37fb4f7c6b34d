local key = KEYS[1]

-- The time of the server (ms).
local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- A deadline `ms` from now.
local function deadline(ms)
  return struct.pack(TIME, clock() + ms)
end

-- Stores a value, and stamps it with the time of the server.
local function store(value, ttl)
  redis.call('SET', key, value, 'PX', ttl)
  redis.call('SETRANGE', key, STORED_AT, deadline(0))
end

