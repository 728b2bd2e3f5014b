-- Adds rosters to a realm's sums that are not included yet: those of the next
-- accounts. It does nothing if one of them was written since it was read, or if
-- another node has counted them.
--
-- KEYS 1 accounts, 2 counts, from 3 on the rosters
-- ARGV 1 the field "counted" when it was read; '' if there was none
--      2 its new value: '+' for all accounts, or '=' and the last of these accounts
--      from 3 on, for each roster: its account, and the version that was read, ''
--      for none
--      then pairs: a field of counts, and what to add to it
--
-- Returns 1, or 0 if it did nothing.
if (redis.call('HGET', KEYS[2], 'counted') or '') ~= ARGV[1] then
	return 0
end
local first, last = '-', '+'
if ARGV[1] ~= '' then
	first = '(' .. string.sub(ARGV[1], 2)
end
if ARGV[2] ~= '+' then
	last = '[' .. string.sub(ARGV[2], 2)
end
local accounts = redis.call('ZRANGE', KEYS[1], first, last, 'BYLEX')
if #accounts ~= #KEYS - 2 then
	return 0
end
for i, account in ipairs(accounts) do
	if account ~= ARGV[2 * i + 1] or redis.call('GETRANGE', KEYS[i + 2], 0, 19) ~= ARGV[2 * i + 2] then
		return 0
	end
end
for i = 3 + 2 * #accounts, #ARGV, 2 do
	redis.call('HINCRBY', KEYS[2], ARGV[i], ARGV[i + 1])
end
redis.call('HSET', KEYS[2], 'counted', ARGV[2])
return 1
