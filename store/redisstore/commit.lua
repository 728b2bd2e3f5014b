-- Commits one update of one roster, if nobody else has written it since it was
-- read and that was not too long ago. Versions are compared as 20 digits, as
-- strings: a number of Lua has 53 bits. Times in microseconds have 51.
--
-- KEYS 1 roster, 2 floor, 3 head and 4 stream of the log, 5 due, 6 accounts
-- ARGV 1 the version that was read, '' for none
--      2 the latest time at which it may be committed
--      3 the version that is committed
--      4 what is stored, after its version; '' erases
--      5 when it is due, '' for never
--      6 the key's 16 bytes
--      7 the account, '' for the control record
--      8 how many events there are
--      9 the events
--      10 how many entries the log keeps
--      11 begins the incarnation of a new log
--
-- Returns 1, or what is stored now: roster, floor, and TIME's two numbers.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local held = redis.call('GETRANGE', KEYS[1], 0, 19)
local stale = held ~= ARGV[1] or now > tonumber(ARGV[2])
if not stale and held == '' then
	stale = (redis.call('GET', KEYS[2]) or '') >= ARGV[3]
end
if stale then
	return {redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2]), clock[1], clock[2]}
end

if ARGV[4] == '' then
	redis.call('ZREM', KEYS[5], ARGV[6])
	if ARGV[7] ~= '' then
		redis.call('ZREM', KEYS[6], ARGV[7])
	end
	if held > (redis.call('GET', KEYS[2]) or '') then
		redis.call('SET', KEYS[2], held)
	end
	redis.call('DEL', KEYS[1])
	return 1
end

-- What can fail, because somebody else has used a name of ours, comes first, and
-- the roster last: an index that is too early does no harm.
if ARGV[5] == '' then
	redis.call('ZREM', KEYS[5], ARGV[6])
else
	redis.call('ZADD', KEYS[5], ARGV[5], ARGV[6])
end
if held == '' and ARGV[7] ~= '' then
	redis.call('ZADD', KEYS[6], 0, ARGV[7])
end
local events = tonumber(ARGV[8])
if events > 0 then
	-- Every event has a position of its own, its entry that of the last one. Each
	-- entry names the one before it, so that a reader sees when one is missing.
	local head = redis.call('GET', KEYS[3])
	local incarnation, last
	if head then
		incarnation, last = string.match(head, '^(.*)%.(%d+)$')
		if not last then
			return redis.error_reply('WRONGTYPE ' .. KEYS[3] .. ' is not the head of a log')
		end
	else
		incarnation, last = string.format('%.0f', now) .. ARGV[11], '0'
		local left = redis.call('XREVRANGE', KEYS[4], '+', '-', 'COUNT', 1)[1]
		if left then
			last = string.match(left[1], '^%d+')
		end
	end
	local at = string.format('%.0f', math.max(tonumber(last) + events, now + events - 1))
	redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[10], at .. '-0', 'after', last, 'events', ARGV[9])
	redis.call('SET', KEYS[3], incarnation .. '.' .. at)
end
redis.call('SET', KEYS[1], ARGV[3] .. ARGV[4])
return 1
