// Package requirements proves that each row of docs/requirements.md is held by a
// test. For every row it breaks the promise in the real code, in one small way or
// several, and sees the one test fail that is named beside it. A row that nothing
// can break says why.
//
// The mistakes are of the kinds of internal/mutants, and no file of the source is
// changed by them. For all rows, or for some:
//
//	make requirements
//	make requirements ARGS="TOK-01 STO"
//
// The ordinary go test walks a sample. The package holds no promise itself: what
// is promised stands in docs/requirements.md, and nowhere else.
package requirements
