-- Comes before commit.lua while the slot of its keys moves. Redis then refuses a script
-- that names a key which does not exist, so KEYS has only the keys that exist. Redis
-- sees to it that all of those are on this server.
--
-- ARGV at the end: the names of all keys of commit.lua, in its order, and how many
--      they are; '' for a key that does not exist and is not needed
--
-- A key that exists nowhere can be made only on the server to which the slot moves.
-- Elsewhere Redis refuses every command on it. Nothing has been written then.
do
	local count = tonumber(table.remove(ARGV))
	for i = count, 1, -1 do
		KEYS[i] = table.remove(ARGV)
	end
	for i = 1, count do
		local there = KEYS[i] == '' or redis.pcall('EXISTS', KEYS[i])
		if type(there) == 'table' then
			if not string.find(there.err, 'non local key', 1, true) then
				return there
			end
			return redis.error_reply('TRYAGAIN ' .. KEYS[i] .. ' can be made when the other keys of its slot have moved')
		end
	end
end
