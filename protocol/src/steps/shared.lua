local key = KEYS[1]

-- The time of the server (ms), which is asked for once: a script with several keys stores nothing that looks younger than it is.
local now_ms
local function clock()
  if not now_ms then
    local time = redis.call('TIME')
    now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  return now_ms
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

-- Whether local copies can be registered of what begins like this (LOCAL_END bytes).
local function can_have_copies(begin)
  return #begin == LOCAL_END and begin:sub(1, KIND_AT) == MAGIC and begin:byte(KIND_AT + 1) >= VALUES
    and math.floor(begin:byte(FLAGS_AT + 1) / FLAG_LOCAL) % 2 == 1
end

-- Until when local copies may be used of what begins like this (LOCAL_END bytes); 0 if there are none. What is further ahead than any
-- that is registered is from before the clock went back.
local function copied_until(begin, now)
  if not can_have_copies(begin) then
    return 0
  end
  local ends = math.min((struct.unpack(TIME, begin, LOCAL_UNTIL_AT + 1)), now + LONGEST_LOCAL)
  return ends > now and ends or 0
end

-- Writes until when local copies of the value may be used.
local function set_copied_until(ends)
  redis.call('SETRANGE', key, LOCAL_UNTIL_AT, struct.pack(TIME, ends))
end

