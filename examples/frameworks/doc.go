// Package frameworks tests the cut against what people put around a guard, inside it
// and beneath it. It also holds one application for each framework that has a page in
// docs/howto. It is a module of its own, because it needs many modules.
package frameworks
