-- What every script of a write begins with: the writers inside a guard.
local key, token = KEYS[1], ARGV[1]
local MAGIC, GUARD = '\202\93\225', '\202\93\225\2'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- 'absent', 'guard', 'ours' (a lease or a value) or 'foreign' (somebody else's, never touched).
local function kind()
  local head = redis.call('GETRANGE', key, 0, 3)
  if head == '' then
    return redis.call('EXISTS', key) == 0 and 'absent' or 'foreign'
  elseif head == GUARD then
    return 'guard'
  end
  local byte = head:byte(4)
  local ours = head:sub(1, 3) == MAGIC and byte and (byte == 1 or byte >= 16)
  return ours and 'ours' or 'foreign'
end

-- No deadline is set further ahead than an hour. One that lies further was set before the clock went back, and counts as that hour.
local LONGEST = 3600 * 1000

-- The slots of the others who are still in time, whether we were inside, and whether writers have overlapped.
local function others()
  local guard = redis.call('GET', key)
  local slots, inside = {}, false
  for at = 6, #guard - 13, 14 do
    if guard:sub(at, at + 7) == token then
      inside = true
    else
      local deadline = math.min((struct.unpack('>I6', guard, at + 8)), now + LONGEST)
      if deadline > now then
        slots[#slots + 1] = guard:sub(at, at + 7) .. struct.pack('>I6', deadline)
      end
    end
  end
  return table.concat(slots), inside, (guard:byte(5) or 0) % 2 == 1
end

-- One slot: ours, until `ms` from now.
local function slot(ms)
  return token .. struct.pack('>I6', now + ms)
end

-- Puts the guard until the last of its deadlines; without anybody inside the key goes.
local function put(slots, overlapped)
  if slots == '' then
    redis.call('UNLINK', key)
    return
  end
  local last = 0
  for at = 9, #slots, 14 do
    last = math.max(last, (struct.unpack('>I6', slots, at)))
  end
  redis.call('SET', key, GUARD .. (overlapped and '\1' or '\0') .. slots, 'PX', last - now)
end

-- Somebody who is not inside has written all the same: the writers inside are not alone.
local function mark()
  redis.call('SETRANGE', key, 4, '\1')
  if redis.call('PTTL', key) > LONGEST then
    redis.call('PEXPIRE', key, LONGEST)
  end
  return 0
end

local what = kind()
if what == 'foreign' then
  return -1
end
