package mutants

// survivors are the mutants that no test catches, by function, each with the
// reason why none could or need. What could be caught by a test gets that test.
// A name is the operator and the how-manieth of its kind in the function.
var survivors = list{
	"const cacheShards":  {"lower": "how many locks the cache has is nobody's promise"},
	"const forever":      {"half": "146 years are as good as 292"},
	"const loadMost":     {"lower": "255 rosters in a read are as good as 256"},
	"const repeatMemory": {"raise": "a repeat after thousands of entries is none", "lower": "likewise"},
	"const whenever":     {"lower": "no version comes near to either"},

	"Key.Partition":     {"raise number 1": "the first 8 bytes of 9 are the same"},
	"(*draft).admit":    {"drop operand 1": "settling what has timed out may be left to the next operation"},
	"(*draft).standing": {"shift comparison 1": "a stream is never the first seat: its session is before it", "raise number 1": "likewise"},
	"(*Registry).controlEntry": {
		"condition never 1": "the pointer saves a look-up, and the look-up finds the same",
		"zero value 1":      "likewise",
		"zero argument 2":   "likewise",
		"drop statement 1":  "likewise",
	},
	"(*Roster).inOnePlace": {
		"condition never 1": "where a seat lies decides how fast it is read, and nothing else",
		"drop statement 2":  "likewise",
	},
	"earliest":         {"shift comparison 1": "of two equal times either is the earlier"},
	"latest":           {"shift comparison 1": "of two equal times either is the later"},
	"(*cache).step":    {"raise number 1": "steps are only compared"},
	"(*Registry).Ping": {"zero argument 1": "the control record is read with any other"},
	"(*Registry).join": {
		"condition never 2": "a key that is asked for twice may be read twice",
		"drop loop 1":       "likewise",
	},
}
