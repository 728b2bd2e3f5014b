package mutants

import "maps"

// survivors are the mutants that no test catches, by function, each with the
// reason why none could or need. What could be caught by a test gets that test.
// A name is the operator and the mutant's number among those of its kind in the
// function.
var survivors = together(equal, slower)

// equal are the mutants that do the same.
var equal = list{
	"const whenever": {"lower": "no version comes near to either"},

	"(*draft).yields": {"raise number 3": "it is the last of all in any case"},
	"first":           {"raise number 3": "an order goes by the sign"},
	"earliest":        {"shift comparison 1": "of two equal times either is the earlier"},
	"latest":          {"shift comparison 1": "of two equal times either is the later"},
	"(*draft).signOut": {
		"zero argument 5": "the time decides about live sessions only, and it is none",
	},
	"(*cache).step":             {"raise number 1": "steps are only compared"},
	"(*cache).freshAsOf":        {"shift comparison 2": "what a load missed while a call went on is not cached, so the call vouches for what was cached meanwhile too"},
	"(*Registry).settled":       {"zero argument 2": "all seats of a roster are of one epoch, that of the one that is live"},
	"(*Registry).CheckAndWatch": {"drop statement 2": "what was read has taken the place of what memory knew"},
	"(*Registry).verifyBy": {
		"condition always 2": "the update that recorded a timeout has ended the watches itself",
		"condition always 4": "what was written is seen by the next look, which reads",
	},
	"(*Registry).recheck": {"shift comparison 1": "nobody can tell when exactly the last read began"},
}

// slower are the mutants that do the same with more work.
var slower = list{
	"const cacheShards": {"lower": "how many locks the cache has is nobody's promise"},
	"const loadMost":    {"lower": "255 rosters in a read are as good as 256"},

	"(*draft).forget": {"condition never 1": "the shortcut saves a copy, and forgets the same ending"},
	"(*Registry).controlEntry": {
		"condition never 1": "the pointer saves a look-up, and the look-up finds the same",
		"zero value 1":      "likewise",
		"zero argument 2":   "likewise",
		"drop statement 1":  "likewise",
	},
	"newEntry": {"drop statement 1": "where a seat lies decides how fast it is read, and nothing else"},
	"(*Roster).inOnePlace": {
		"condition never 1": "likewise",
		"drop statement 2":  "likewise",
	},
	"(*Registry).signIn": {
		"drop operand 2":  "a ticket is made that nobody gets",
		"zero argument 7": "likewise",
	},
	"(*Registry).watch": {
		"condition never 4": "memory that has just said yes says so again",
		"drop operand 2":    "what memory said is noted twice",
		"drop operand 3":    "what memory said is noted by the next look, which reads",
		"drop operand 4":    "likewise",
	},
	"(*Registry).CheckAndWatch": {"zero argument 11": "memory that has just said yes says so again"},
	"(*Watch).Stop":             {"drop operand 2": "of a session that is alone nothing is noted, so the clock is read in vain"},
	"(*watched).alone":          {"false result 1": "likewise"},
	"(*Registry).noteHeld":      {"condition always 2": "a use of a session that is over is looked up in vain"},
}

func together(lists ...list) list {
	all := list{}
	for _, l := range lists {
		for function, kinds := range l {
			if all[function] == nil {
				all[function] = map[string]string{}
			}
			maps.Copy(all[function], kinds)
		}
	}
	return all
}
