-- Puts a copy of a log in the place of the log, with the entries that came after the
-- copy was made. It does nothing if another copy was put there meanwhile, if the log no
-- longer has the last entry of the copy, or if the copy is not whole.
--
-- KEYS 1 log, 2 the copy, 3 copies
-- ARGV 1 how many copies there had been when the log was read; '' if none
--      2 the id of the last entry of the copy
--      3 how many entries the copy has
--
-- Returns 1, or 0 if it did nothing; then the copy is gone.
local log, copy, copies = KEYS[1], KEYS[2], KEYS[3]
if (redis.call('GET', copies) or '') ~= ARGV[1]
	or #redis.call('XRANGE', log, ARGV[2], ARGV[2]) == 0
	or redis.call('XLEN', copy) ~= tonumber(ARGV[3]) then
	redis.call('DEL', copy)
	return 0
end
for _, entry in ipairs(redis.call('XRANGE', log, '(' .. ARGV[2], '+')) do
	redis.call('XADD', copy, entry[1], unpack(entry[2]))
end
redis.call('PERSIST', copy)
redis.call('RENAME', copy, log)
redis.call('INCR', copies)
return 1
