-- The rules of slots.py and cooldown.py over one hash, in whole microseconds. What stands above this
-- (constants in capitals, `clock`) is put there by redis_store.py.
--
-- KEYS[1]  the hash
-- ARGV     operation, birth of the run, cap, lead (how long an answer takes to reach the run),
--          and for `refused`: when the request left, what Retry-After asks for
-- Returns  present time, slot (-1: none; after `refused`, 1 if it began a pause), wait, then the
--          fields; all as text, since a number would lose its digits

local key, operation = KEYS[1], ARGV[1]
local born, cap, lead = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local now = clock()
local NAMES = {'next', 'eldest', 'seen', 'pause_until', 'pause', 'slowed_to', 'since', 'permits', 'asker'}

-- another server, even one with a copy of the state, cannot know what left in the last second
local server = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')

local function unknown_past()
  return {
    next = now + SILENCE, eldest = 0, seen = now - 2 * ELDEST, pause_until = 0, pause = 0,
    slowed_to = UNSLOWED, since = 0, permits = 0, asker = 0,
  }
end

local function read()
  local held = redis.call('HMGET', key, 'server', 'at', unpack(NAMES))
  local at = tonumber(held[2])
  if held[1] ~= server or not at or not (at <= now) then return unknown_past() end
  local state = {}
  for place, name in ipairs(NAMES) do
    local number = tonumber(held[place + 2])
    if not number or not (math.abs(number) < 2 ^ 53) then return unknown_past() end
    state[name] = number
  end
  local plausible = state.next <= now + 2 * SILENCE and state.seen <= now
    and state.pause_until <= now + LONGEST_PAUSE and state.pause <= LONGEST_PAUSE
    and state.since <= now and 0 < state.slowed_to and state.slowed_to <= UNSLOWED
  return plausible and state or unknown_past()
end

local function text(number) return string.format('%.17g', number) end

local function write(state)
  local pairs_ = {'server', server, 'at', text(now)}
  for _, name in ipairs(NAMES) do
    pairs_[#pairs_ + 1] = name
    pairs_[#pairs_ + 1] = text(state[name])
  end
  redis.call('HSET', key, unpack(pairs_))
  redis.call('PEXPIRE', key, KEEP)
end

local function rate(state)
  return math.min(cap, state.slowed_to + CLIMB * math.max(0, now - state.pause_until) / 1000000)
end

local function interval(state)
  local per_second = rate(state)
  if state.pause > 0 and now - state.pause_until < PROBE then
    per_second = math.min(per_second, PROBE_PER_SECOND)
  end
  return math.floor(WINDOW / per_second)
end

local slot, wait = -1, 0

local function book(state)
  local earliest = now + lead
  local horizon = earliest + YOUNGER_LEAD
  state.asker = born
  if born <= state.eldest or now - state.seen > ELDEST then
    state.eldest, state.seen = born, now
    horizon = now + AHEAD
  end
  local due = math.max(state.next, state.pause_until)
  local free = earliest - due < GRACE and due or earliest
  if free > horizon then
    wait = math.min(free - horizon, AHEAD)
  else
    slot, wait = free, math.max(0, free - now)
    state.next = free + interval(state)
    state.permits = state.permits + 1
  end
end

local function write_back(state)
  local late = tonumber(ARGV[5])
  if late > LATE then state.next = state.next + math.min(late, VOID) - LATE end
end

local function refused(state)
  local left, asked = tonumber(ARGV[5]), math.min(tonumber(ARGV[6]), LONGEST_PAUSE)
  if left < state.pause_until - VOID then
    if asked > 0 then state.pause_until = math.max(state.pause_until, now + asked) end
    return
  end
  local is_back = state.pause > 0 and now - state.pause_until <= CALM
  local pause = is_back and state.pause or FIRST_PAUSE
  if is_back and left - state.pause_until <= AT_ONCE then pause = math.min(2 * pause, LONGEST_PAUSE) end
  state.slowed_to = math.max(math.min(SLOWEST, cap), SLOWER * rate(state))
  state.pause_until, state.pause = now + math.max(pause, asked), pause
  if not is_back then state.since = now end
  slot = 1
end

local OPERATIONS = {
  book = book, write_back = write_back, refused = refused, reset = function() end, look = function() end,
}

local state = operation == 'reset' and unknown_past() or read()
OPERATIONS[operation](state)
if operation ~= 'look' then write(state) end

local answer = {text(now), text(slot), text(wait)}
for _, name in ipairs(NAMES) do answer[#answer + 1] = text(state[name]) end
return answer
