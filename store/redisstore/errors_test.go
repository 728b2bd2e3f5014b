package redisstore

import (
	"testing"

	"github.com/oneseat/oneseat"
)

func TestEveryAnswerIsOfOneFailureThatSaysWhatToDo(t *testing.T) {
	seen := map[string]oneseat.StoreFailure{}
	for failure, words := range answers {
		if problems[failure] == "" {
			t.Errorf("%s has no words", failure)
		}
		for _, word := range words {
			if its, twice := seen[word]; twice {
				t.Errorf("%s is %s, and %s", word, failure, its)
			}
			seen[word] = failure
		}
	}
}
