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

	"Key.Partition": {
		"condition never 1": "the remainder of 1 is 0 too; the condition saves a division",
		"raise number 1":    "likewise",
		"raise number 3":    "the first 8 bytes of 9 are the same",
	},
	"newcomer.from": {
		"drop operand 3": "the token of another account is found in no seat of this one",
		"drop operand 5": "likewise",
		"drop operand 6": "likewise, and the digest of what is no token equals none",
	},
	"View.CountChanges": {"shift comparison 1": "one epoch is one sum: a case before has it"},
	"(*draft).admit":    {"drop operand 1": "settling what has timed out may be left to the next operation"},
	"(*draft).standing": {"shift comparison 1": "a stream is never the first seat: its session is before it", "raise number 1": "likewise"},
}
