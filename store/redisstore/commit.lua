-- Commits one update of one roster. It does nothing if another node has written the
-- roster since it was read, or if that was too long ago. Versions are compared as
-- texts of 20 digits, because a number of Lua has 53 bits. Times in microseconds
-- need 51.
--
-- KEYS 1 roster, 2 log, 3 due, 4 floor
--      5 accounts, 6 counts: both only if the roster is new, is erased or changes
--      sums, and is not the control record
-- ARGV 1 the version that was read; '' if there was no roster
--      2 the latest time at which the commit is allowed
--      3 the new value, which begins with its version; '' erases the roster
--      4 when the roster is due; '' for never; '=' as before
--      5 the 16 bytes of the key
--      6 the number of events
--      7 the log entry with those events
--      8 how many entries the log keeps
--      9 the account, with KEYS 5
--      from 10 on pairs: a field of counts, and what to add to it
-- KEYS 3 and 4 may be '': see moving.lua.
--
-- Returns the time in microseconds, or what is stored now: the roster, the floor, and
-- the two numbers of TIME.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local held = redis.call('GETRANGE', KEYS[1], 0, 19)
local stale = held ~= ARGV[1] or now > tonumber(ARGV[2])
local function floor()
	return KEYS[4] ~= '' and redis.call('GET', KEYS[4])
end
if held == '' and not stale then
	stale = (floor() or '') >= string.sub(ARGV[3], 1, 20)
end
if stale then
	return {redis.call('GET', KEYS[1]), floor(), clock[1], clock[2]}
end

-- Returns whether a is before b in byte order, or equal to it. The order that Lua
-- itself uses depends on the locale of the server.
local function upTo(a, b)
	for i = 1, math.min(#a, #b) do
		local x, y = string.byte(a, i), string.byte(b, i)
		if x ~= y then
			return x < y
		end
	end
	return #a <= #b
end

-- Computes the new sums. The field "counted" says which rosters they include: all,
-- or, while the rosters of an earlier release are being counted, those of the
-- accounts up to one. Without that field nothing has been counted yet, unless there
-- are no accounts.
local sums, spent = {KEYS[6]}, {KEYS[6]}
if KEYS[6] then
	local ask = {KEYS[6], 'counted'}
	for i = 10, #ARGV, 2 do
		ask[#ask + 1] = ARGV[i]
	end
	local found = redis.call('HMGET', unpack(ask))
	local counted = found[1]
	if not counted and redis.call('EXISTS', KEYS[5]) == 0 then
		counted = '+'
		sums = {KEYS[6], 'counted', counted}
	end
	if counted and (counted == '+' or upTo(ARGV[9], string.sub(counted, 2))) then
		for i = 10, #ARGV, 2 do
			local was = found[(i - 10) / 2 + 2] or '0'
			if not string.match(was, '^-?%d+$') or #was > 15 then
				return redis.error_reply('WRONGTYPE ' .. KEYS[6] .. ' has a sum that is not a number')
			end
			local sum = string.format('%.0f', tonumber(was) + tonumber(ARGV[i + 1]))
			if sum == '0' then
				spent[#spent + 1] = ARGV[i]
			else
				sums[#sums + 1], sums[#sums + 2] = ARGV[i], sum
			end
		end
	end
end

-- Writes the sums. This cannot fail, and is done together with writing the roster.
local function writeSums()
	if #sums > 1 then
		redis.call('HSET', unpack(sums))
	end
	if #spent > 1 then
		redis.call('HDEL', unpack(spent))
	end
end

if ARGV[3] == '' then
	if KEYS[3] ~= '' then
		redis.call('ZREM', KEYS[3], ARGV[5])
	end
	if KEYS[5] then
		redis.call('ZREM', KEYS[5], ARGV[9])
	end
	if held > (floor() or '') then
		redis.call('SET', KEYS[4], held)
	end
	writeSums()
	redis.call('DEL', KEYS[1])
	return now
end

-- Commands that may fail come first, because another program may have used one of
-- our names. The roster comes last: an index entry that is there too early does no
-- harm.
if ARGV[4] == '=' then
	-- The index has it.
elseif ARGV[4] ~= '' then
	redis.call('ZADD', KEYS[3], ARGV[4], ARGV[5])
elseif KEYS[3] ~= '' then
	redis.call('ZREM', KEYS[3], ARGV[5])
end
if KEYS[5] and held == '' then
	redis.call('ZADD', KEYS[5], 0, ARGV[9])
end
local events = tonumber(ARGV[6])
if events > 0 then
	-- Every event has its own position, if possible the time. The entry has the
	-- position of its last event.
	local at = string.format('%.0f-0', now + events - 1)
	local added = redis.pcall('XADD', KEYS[2], 'MAXLEN', '~', ARGV[8], at, 'e', ARGV[7])
	if type(added) == 'table' then
		-- The clock was set back, or a moment ago there were many events.
		local about = redis.call('XINFO', 'STREAM', KEYS[2])
		for i = 1, #about, 2 do
			if about[i] == 'last-generated-id' then
				at = string.format('%.0f-0', tonumber(string.match(about[i + 1], '^%d+')) + events)
			end
		end
		redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[8], at, 'e', ARGV[7])
	end
end
writeSums()
redis.call('SET', KEYS[1], ARGV[3])
return now
