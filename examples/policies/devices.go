package policies

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/oneseat/oneseat"
)

// TouchField is a part of the form of the sign-in page. It says how many touches the
// screen can tell apart: none on a Mac, five on an iPad.
const TouchField = `
<input type="hidden" name="touch">
<script>document.currentScript.previousElementSibling.value = navigator.maxTouchPoints</script>
`

// TellIPads is a Device of an oneseathttp.Config. By TouchField it tells a Mac from an
// iPad that calls itself a Mac.
func TellIPads(r *http.Request, d oneseat.Device) oneseat.Device {
	points, err := strconv.Atoi(r.PostForm.Get("touch")) // of the form that was parsed for the password
	if browser, mac := strings.CutSuffix(d.Label, " on Mac"); mac && err == nil && points > 1 {
		return oneseat.Device{Label: browser + " on iPad", Class: "tablet", IP: d.IP}
	}
	return d
}
