-- The beginning of every step of a write: the writers inside a guard.
local token = ARGV[1]
local now = clock()
local begin = redis.call('GETRANGE', key, '0', LOCAL_LAST_ARG)
-- Until when local copies of the value, or of what the guard has replaced, may be used; 0 if there are none.
local copied = copied_until(begin, now)

-- 'absent', 'guard', 'ours' (a lease, a value, or the version of a tag) or 'foreign' (data of another program, never touched).
local function kind()
  local header = begin:sub(1, KIND_AT + 1)
  if header == '' then
    return redis.call('EXISTS', key) == 0 and 'absent' or 'foreign'
  elseif header == GUARD then
    return 'guard'
  end
  local value = header:sub(1, KIND_AT) == MAGIC and (header:byte(KIND_AT + 1) or 0) >= VALUES
  return (header == LEASE or header == TAG or value) and 'ours' or 'foreign'
end

-- The deadline of the token, if it was inside.
local deadline_inside = 0

-- The slots of the other writers whose deadlines have not passed, whether the token was inside, and whether
-- writers have overlapped. Finds the local copies and the deadline of the token as well.
local function others()
  local guard = redis.call('GET', key)
  local slots, inside = {}, false
  for at = SLOTS_AT + 1, #guard - SLOT_LEN + 1, SLOT_LEN do
    local other = guard:sub(at, at + TOKEN_LEN - 1)
    local ends = math.min((struct.unpack(TIME, guard, at + TOKEN_LEN)), now + LONGEST)
    if other == token then
      inside, deadline_inside = true, math.max(ends, deadline_inside)
    elseif ends > now then
      slots[#slots + 1] = other .. struct.pack(TIME, ends)
    end
  end
  if (#guard - SLOTS_AT) % SLOT_LEN == TIME_LEN then
    local ends = math.min((struct.unpack(TIME, guard, #guard - TIME_LEN + 1)), now + LONGEST_LOCAL)
    copied = ends > now and ends or 0
  end
  return table.concat(slots), inside, (guard:byte(MARKS_AT + 1) or 0) % 2 == 1
end

-- The slot of the token, until then.
local function slot(ends)
  return token .. struct.pack(TIME, ends)
end

-- Whether the server has refused a command: one whose memory is full refuses to begin with what takes some, but not to go on with it.
local function refused(answer)
  return type(answer) == 'table' and answer.err
end

-- Puts the guard until the last of its deadlines, or until the local copies are over; without either the key is deleted.
local function put(slots, overlapped)
  if slots == '' and copied == 0 then
    redis.call('UNLINK', key)
    return
  end
  local last = copied
  for at = TOKEN_LEN + 1, #slots, SLOT_LEN do
    last = math.max(last, (struct.unpack(TIME, slots, at)))
  end
  local copies = copied > 0 and struct.pack(TIME, copied) or ''
  local guard = GUARD .. (overlapped and OVERLAPPED or '\0') .. slots .. copies
  if refused(redis.pcall('SET', key, guard, 'PX', last - now)) then
    redis.call('UNLINK', key)
    redis.call('SET', key, guard, 'PX', last - now)
  end
end

-- What is left of the local copies (ms).
local function left()
  return copied > 0 and copied - now or 0
end

-- Marks the guard: somebody who is not inside has written, so the writers inside were not alone.
local function mark()
  local expires = redis.call('PTTL', key)
  if refused(redis.pcall('SETRANGE', key, MARKS_ARG, OVERLAPPED)) then
    redis.call('PEXPIRE', key, expires > 0 and expires or LONGEST)
    redis.call('SETRANGE', key, MARKS_ARG, OVERLAPPED)
  end
  if expires > LONGEST then
    redis.call('PEXPIRE', key, LONGEST)
  end
end

local current = kind()
if current == 'foreign' then
  return -1
end

