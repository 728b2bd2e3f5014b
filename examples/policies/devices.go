package policies

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/oneseat/oneseat"
)

// TouchField stands in the form of the sign-in page. It says on how many points
// the screen can be touched: on none of a Mac, on five of an iPad.
const TouchField = `
<input type="hidden" name="touch">
<script>document.currentScript.previousElementSibling.value = navigator.maxTouchPoints</script>
`

// TellIPads is a Device of an oneseathttp.Config. It tells an iPad that calls
// itself a Mac from a Mac, by TouchField.
func TellIPads(r *http.Request, d oneseat.Device) oneseat.Device {
	points, err := strconv.Atoi(r.PostForm.Get("touch")) // of a form that was parsed for the password
	if browser, mac := strings.CutSuffix(d.Label, " on Mac"); mac && err == nil && points > 1 {
		return oneseat.Device{Label: browser + " on iPad", Class: "tablet", IP: d.IP}
	}
	return d
}
