-- What every step of a write begins with: the writers inside a guard.
local token = ARGV[1]
local now = clock()

-- 'absent', 'guard', 'ours' (a lease or a value) or 'foreign' (somebody else's, never touched).
local function kind()
  local head = redis.call('GETRANGE', key, 0, KIND_AT)
  if head == '' then
    return redis.call('EXISTS', key) == 0 and 'absent' or 'foreign'
  elseif head == GUARD then
    return 'guard'
  end
  local value = head:sub(1, KIND_AT) == MAGIC and (head:byte(KIND_AT + 1) or 0) >= VALUES
  return (head == LEASE or value) and 'ours' or 'foreign'
end

-- The slots of the others who are still in time, whether we were inside, and whether writers have overlapped.
local function others()
  local guard = redis.call('GET', key)
  local slots, inside = {}, false
  for at = SLOTS_AT + 1, #guard - SLOT_LEN + 1, SLOT_LEN do
    local other = guard:sub(at, at + TOKEN_LEN - 1)
    if other == token then
      inside = true
    else
      local deadline = math.min((struct.unpack(TIME, guard, at + TOKEN_LEN)), now + LONGEST)
      if deadline > now then
        slots[#slots + 1] = other .. struct.pack(TIME, deadline)
      end
    end
  end
  return table.concat(slots), inside, (guard:byte(MARKS_AT + 1) or 0) % 2 == 1
end

-- One slot: ours, until `ms` from now.
local function slot(ms)
  return token .. struct.pack(TIME, now + ms)
end

-- Puts the guard until the last of its deadlines; without anybody inside the key goes.
local function put(slots, overlapped)
  if slots == '' then
    redis.call('UNLINK', key)
    return
  end
  local last = 0
  for at = TOKEN_LEN + 1, #slots, SLOT_LEN do
    last = math.max(last, (struct.unpack(TIME, slots, at)))
  end
  redis.call('SET', key, GUARD .. (overlapped and OVERLAPPED or '\0') .. slots, 'PX', last - now)
end

-- Somebody who is not inside has written all the same: the writers inside are not alone.
local function mark()
  redis.call('SETRANGE', key, MARKS_AT, OVERLAPPED)
  if redis.call('PTTL', key) > LONGEST then
    redis.call('PEXPIRE', key, LONGEST)
  end
end

local what = kind()
if what == 'foreign' then
  return -1
end

