package pgstore

// Statements whose plans are looked at.
const (
	ChangesSQL = changesSQL
	DueSQL     = dueSQL
)
