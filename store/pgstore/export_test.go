package pgstore

// ChangesSQL is for the test of its query plan.
const ChangesSQL = changesSQL
