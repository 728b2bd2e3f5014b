package pgstore

// ChangesSQL is for the test of its plan.
const ChangesSQL = changesSQL
