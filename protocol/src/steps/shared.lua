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
local stamp
local function store(value, ttl)
  stamp = stamp or deadline(0)
  redis.call('SET', key, value, 'PX', ttl)
  redis.call('SETRANGE', key, STORED_ARG, stamp)
end

-- Offset of the time until which local copies may be used, in what begins like this (LOCAL_END bytes): a value that has room for it, or the
-- version of a tag. False for anything else.
local function copied_until_at(begin)
  if begin:sub(1, #TAG) == TAG then
    return (#begin == TAG_LEN or #begin == TAG_END) and TAG_LEN
  end
  return #begin == LOCAL_END and begin:sub(1, KIND_AT) == MAGIC and begin:byte(KIND_AT + 1) >= VALUES
    and math.floor(begin:byte(FLAGS_AT + 1) / FLAG_LOCAL) % 2 == 1 and LOCAL_UNTIL_AT
end

-- Until when local copies may be used of what begins like this (LOCAL_END bytes), or of what carries the tag; 0 if there are none. What is
-- further ahead than any that is registered is from before the clock went back.
local function copied_until(begin, now)
  local at = copied_until_at(begin)
  if not at or #begin < at + TIME_LEN then
    return 0
  end
  local ends = math.min((struct.unpack(TIME, begin, at + 1)), now + LONGEST_LOCAL)
  return ends > now and ends or 0
end

-- Writes until when local copies may be used.
local function set_copied_until(begin, ends)
  redis.call('SETRANGE', key, copied_until_at(begin), struct.pack(TIME, ends))
end

