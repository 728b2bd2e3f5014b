package api

// PathChanges is the call that waits for events.
const PathChanges = "/v1/changes"

// ChangesQuery is the body of /v1/changes.
type ChangesQuery struct {
	After string `json:"after,omitzero"`   // the cursor of the last answer; absent: tell the cursor of now
	Wait  int64  `json:"wait_ms,omitzero"` // how long to wait for an event; at most 30,000
}

// Changes answers /v1/changes. A key with the scope "admin" is told every event of the
// realm. Another key is told, without devices, when a session has ended, was rotated or
// confirmed, got other data or moved, when a stream has ended, and when the realm has.
//
// All that was committed until Age milliseconds before the call arrived has been told,
// by this answer and those before it. So a caller that sent the call at a time t, by its
// own clock, knows the state of t - Age. It may not count from the time of the answer,
// which may have been under way for long.
type Changes struct {
	Cursor string  `json:"cursor"`
	Gap    bool    `json:"gap"`             // events may be missing between the cursor and this answer
	Age    *int64  `json:"age_ms,omitzero"` // below 0: after the call arrived; absent: not known, or there is more to tell
	Events []Event `json:"events"`
}
