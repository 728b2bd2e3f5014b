// Package frameworks tries the cut against what people put around a guard, inside
// of one and beneath it, and holds one application for each framework that has a
// page in docs/howto. It is a module of its own, for all that it brings.
package frameworks
