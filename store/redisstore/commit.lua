-- Commits one update of one roster, if nobody else has written it since it was
-- read and that was not too long ago. Versions are compared as 20 digits, as
-- strings: a number of Lua has 53 bits. Times in microseconds have 51.
--
-- KEYS 1 roster, 2 log, 3 due, 4 floor
--      5 accounts, 6 counts: if the roster comes, goes, or alters sums, and is no
--      control record
-- ARGV 1 the version that was read, '' for none
--      2 the latest time at which it may be committed
--      3 what is stored, its version first; '' erases
--      4 when it is due, '' for never
--      5 the key's 16 bytes
--      6 how many events there are
--      7 their entry
--      8 how many entries the log keeps
--      9 the account, where there is a key 5
--      10 and 11, and so on: a field of counts, and what is added to it
--
-- Returns 1, or what is stored now: roster, floor, and TIME's two numbers.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local held = redis.call('GETRANGE', KEYS[1], 0, 19)
local stale = held ~= ARGV[1] or now > tonumber(ARGV[2])
if held == '' and not stale then
	stale = (redis.call('GET', KEYS[4]) or '') >= string.sub(ARGV[3], 1, 20)
end
if stale then
	return {redis.call('GET', KEYS[1]), redis.call('GET', KEYS[4]), clock[1], clock[2]}
end

-- Whether one text comes before another, or is the same, byte by byte: what Lua
-- takes for the order of texts depends on the server's locale.
local function upTo(a, b)
	for i = 1, math.min(#a, #b) do
		local x, y = string.byte(a, i), string.byte(b, i)
		if x ~= y then
			return x < y
		end
	end
	return #a <= #b
end

-- What the sums become. They are those of all rosters, or, while those of an
-- earlier release are being counted, of the accounts up to one. Where neither is
-- said, nothing has been counted yet, or there is nothing.
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
				return redis.error_reply('WRONGTYPE ' .. KEYS[6] .. ' has a sum that is no number')
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

-- It cannot fail any more, and comes with the roster.
local function writeSums()
	if #sums > 1 then
		redis.call('HSET', unpack(sums))
	end
	if #spent > 1 then
		redis.call('HDEL', unpack(spent))
	end
end

if ARGV[3] == '' then
	redis.call('ZREM', KEYS[3], ARGV[5])
	if KEYS[5] then
		redis.call('ZREM', KEYS[5], ARGV[9])
	end
	if held > (redis.call('GET', KEYS[4]) or '') then
		redis.call('SET', KEYS[4], held)
	end
	writeSums()
	redis.call('DEL', KEYS[1])
	return 1
end

-- What can fail, because somebody else has used a name of ours, comes first, and
-- the roster last: an index that is too early does no harm.
if ARGV[4] == '' then
	redis.call('ZREM', KEYS[3], ARGV[5])
else
	redis.call('ZADD', KEYS[3], ARGV[4], ARGV[5])
end
if KEYS[5] and held == '' then
	redis.call('ZADD', KEYS[5], 0, ARGV[9])
end
local events = tonumber(ARGV[6])
if events > 0 then
	-- Every event has a position of its own, the time if it can be, and its entry
	-- that of the last one.
	local at = string.format('%.0f-0', now + events - 1)
	local added = redis.pcall('XADD', KEYS[2], 'MAXLEN', '~', ARGV[8], at, 'e', ARGV[7])
	if type(added) == 'table' then
		-- The clock was set back, or there were many events a moment ago.
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
return 1
