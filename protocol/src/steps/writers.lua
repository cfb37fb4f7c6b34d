-- The beginning of every step of a write: the writers inside a guard.
local token = ARGV[1]
local now = clock()

-- 'absent', 'guard', 'ours' (a lease, a value, or the version of a tag) or 'foreign' (data of another program, never touched).
local function kind()
  local header = redis.call('GETRANGE', key, 0, KIND_AT)
  if header == '' then
    return redis.call('EXISTS', key) == 0 and 'absent' or 'foreign'
  elseif header == GUARD then
    return 'guard'
  end
  local value = header:sub(1, KIND_AT) == MAGIC and (header:byte(KIND_AT + 1) or 0) >= VALUES
  return (header == LEASE or header == TAG or value) and 'ours' or 'foreign'
end

-- The slots of the other writers whose deadlines have not passed, whether the token was inside, and whether
-- writers have overlapped.
local function others()
  local guard = redis.call('GET', key)
  local slots, inside = {}, false
  for at = SLOTS_AT + 1, #guard - SLOT_LEN + 1, SLOT_LEN do
    local other = guard:sub(at, at + TOKEN_LEN - 1)
    if other == token then
      inside = true
    else
      local ends = math.min((struct.unpack(TIME, guard, at + TOKEN_LEN)), now + LONGEST)
      if ends > now then
        slots[#slots + 1] = other .. struct.pack(TIME, ends)
      end
    end
  end
  return table.concat(slots), inside, (guard:byte(MARKS_AT + 1) or 0) % 2 == 1
end

-- The slot of the token, until `ms` from now.
local function slot(ms)
  return token .. struct.pack(TIME, now + ms)
end

-- Puts the guard until the last of its deadlines; without slots the key is deleted.
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

-- Marks the guard: somebody who is not inside has written, so the writers inside were not alone.
local function mark()
  redis.call('SETRANGE', key, MARKS_AT, OVERLAPPED)
  if redis.call('PTTL', key) > LONGEST then
    redis.call('PEXPIRE', key, LONGEST)
  end
end

local current = kind()
if current == 'foreign' then
  return -1
end

