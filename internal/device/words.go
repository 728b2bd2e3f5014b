package device

import "github.com/oneseat/oneseat"

// rank is how much a word says. Agents name what they imitate beside what they
// are: Edge says Chrome and Safari too, an Xbox says Windows.
type rank int

// Of browsers.
const (
	base   rank = iota + 1 // Safari, which nearly all name
	engine                 // Chrome and Firefox, which their descendants name
	view                   // a page inside an app that does not say its name
	own                    // a browser's own name
	host                   // the app that shows the page
)

// Of devices and their systems.
const (
	guess    rank = iota + 1 // what libraries say, and Linux, which many name
	likely                   // a robot by its manners
	computer                 // Windows, which phones and consoles name
	android                  // phones and tablets alike
	someTV                   // a television, but not which
	phone                    // iPhone, which iPads and Apple TV name
	tablet                   // iPad
	exact                    // one kind of device and no other
	winPhone                 // names Xbox, Android and iPhone
	machine                  // no device: a robot
	program                  // no device: a program
)

// browser is a browser, or the app that shows pages in one. The zero browser is
// none.
type browser struct {
	rank rank
	name string // "": only that it is an app
	on   string // the only system that has it, where the agent may deny that
}

// system is a device or its system, as its owner calls it, and its class.
type system struct {
	rank  rank
	name  string
	class oneseat.Class // of Android, and of what is not known: settled by other words
}

var (
	apple     = system{guess, "Apple", "mobile"}
	mac       = system{computer, "Mac", "desktop"}
	linux     = system{guess, "Linux", "desktop"}
	fireTV    = system{exact, "Fire TV", "tv"}
	androidTV = system{exact, "Android TV", "tv"}
	appleTV   = system{exact, "Apple TV", "tv"}
	samsungTV = system{exact, "Samsung TV", "tv"}
	lgTV      = system{exact, "LG TV", "tv"}
	anyTV     = system{someTV, "TV", "tv"}
	roku      = system{exact, "Roku", "tv"}
	robot     = system{machine, "Robot", "api"}
)

var browsers = map[string]browser{
	"Safari": {base, "Safari", ""},

	"Chrome":         {engine, "Chrome", ""},
	"HeadlessChrome": {engine, "Chrome", ""},
	"Firefox":        {engine, "Firefox", ""},
	"Opera":          {engine, "Opera", ""},
	"Trident":        {engine, "Internet Explorer", ""},

	"wv":       {view, "", ""},
	"Electron": {view, "", ""},

	"Brave":          {own, "Brave", ""},
	"Chromium":       {own, "Chromium", ""},
	"CriOS":          {own, "Chrome", "iPad"},
	"Ddg":            {own, "DuckDuckGo", ""},
	"DuckDuckGo":     {own, "DuckDuckGo", ""},
	"Edg":            {own, "Edge", ""},
	"EdgA":           {own, "Edge", "Android"},
	"EdgiOS":         {own, "Edge", "iPad"},
	"Edge":           {own, "Edge", ""},
	"Epiphany":       {own, "GNOME Web", ""},
	"FxiOS":          {own, "Firefox", "iPad"},
	"HuaweiBrowser":  {own, "Huawei Browser", ""},
	"MiuiBrowser":    {own, "Mi Browser", "Android"},
	"OPR":            {own, "Opera", ""},
	"OPT":            {own, "Opera", ""},
	"OPX":            {own, "Opera", ""},
	"SamsungBrowser": {own, "Samsung Internet", "Android"},
	"SeaMonkey":      {own, "SeaMonkey", ""},
	"Silk":           {own, "Silk", "Android"},
	"UCBrowser":      {own, "UC Browser", ""},
	"Vivaldi":        {own, "Vivaldi", ""},
	"Whale":          {own, "Whale", ""},
	"YaBrowser":      {own, "Yandex", ""},

	"BytedanceWebview": {host, "TikTok", ""},
	"FBAV":             {host, "Facebook", ""},
	"GSA":              {host, "Google app", ""},
	"Instagram":        {host, "Instagram", ""},
	"Line":             {host, "LINE", ""},
	"LinkedInApp":      {host, "LinkedIn", ""},
	"MicroMessenger":   {host, "WeChat", ""},
	"Snapchat":         {host, "Snapchat", ""},
}

// hiding are browsers that only Sec-CH-UA names.
var hiding = []struct {
	brand   string
	browser browser
}{
	{`"Brave"`, browser{own, "Brave", ""}},
	{`"DuckDuckGo"`, browser{own, "DuckDuckGo", ""}},
	{`"Vivaldi"`, browser{own, "Vivaldi", ""}},
	{`"Android WebView"`, browser{view, "", ""}},
	{`"Microsoft Edge WebView2"`, browser{host, "", ""}},
}

var systems = map[string]system{
	"Linux":     linux,
	"CFNetwork": apple,
	"okhttp":    {guess, "Android", "mobile"},
	"Dart":      {guess, "Dart", "mobile"},

	"Windows":   {computer, "Windows", "desktop"},
	"Macintosh": mac,
	"macOS":     mac,
	"CrOS":      {computer, "ChromeOS", "desktop"},
	"FreeBSD":   {computer, "FreeBSD", "desktop"},
	"OpenBSD":   {computer, "OpenBSD", "desktop"},

	"Android": {android, "Android", ""},
	"Adr":     {android, "Android", ""},

	"iOS":        {phone, "iPhone", "mobile"},
	"iPod":       {phone, "iPod", "mobile"},
	"BB10":       {phone, "BlackBerry", "mobile"},
	"BlackBerry": {phone, "BlackBerry", "mobile"},
	"KAIOS":      {phone, "KaiOS", "mobile"},
	"iPad":       {tablet, "iPad", "tablet"},

	"Windows Phone": {winPhone, "Windows Phone", "mobile"},

	"Kindle": {exact, "Kindle", "tablet"},
	"Kobo":   {exact, "Kobo", "tablet"},

	"Tizen":       samsungTV,
	"Web0S":       lgTV,
	"Android TV":  androidTV,
	"Google TV":   androidTV,
	"Chromecast":  {exact, "Chromecast", "tv"},
	"CrKey":       {exact, "Chromecast", "tv"},
	"tvOS":        appleTV,
	"Apple TV":    appleTV,
	"PlayStation": {exact, "PlayStation", "tv"},
	"PLAYSTATION": {exact, "PlayStation", "tv"},
	"Xbox":        {exact, "Xbox", "tv"},
	"Nintendo":    {exact, "Nintendo", "tv"},
	"Andr0id":     anyTV,
	"CE-HTML":     anyTV,
	"Espial":      anyTV,
	"HbbTV":       anyTV,
	"OMI":         anyTV,
	"SmartTvA":    anyTV,
	"VIZIO":       anyTV,
	"Viera":       anyTV,
	"stbapp":      anyTV,

	"Apple Watch":   {exact, "Apple Watch", "other"},
	"watchOS":       {exact, "Apple Watch", "other"},
	"OculusBrowser": {exact, "Meta Quest", "other"},
	"Tesla":         {computer, "Tesla", "other"}, // a car; and a maker of tablets with Android

	"PowerShell":        {program, "PowerShell", "api"},
	"WindowsPowerShell": {program, "PowerShell", "api"},
	"compatible":        {likely, "Robot", "api"},
}

// models are words that begin like this: names with a number at their end.
var models = []struct {
	prefix string
	code   bool // only in brackets, and in capitals
	system system
	tablet bool
}{
	{prefix: "AppleTV", system: appleTV},
	{prefix: "AQUOS-TV", system: androidTV},
	{prefix: "BRAVIA", system: androidTV},
	{prefix: "MIBOX", system: androidTV},
	{prefix: "MiTV", system: androidTV},
	{prefix: "NetCast", system: lgTV},
	{prefix: "OpenHarmony", system: system{android, "HarmonyOS", ""}},
	{prefix: "Roku", system: roku},
	{prefix: "iPad", system: system{tablet, "iPad", "tablet"}},
	{prefix: "iPhone", system: system{phone, "iPhone", "mobile"}},
	{prefix: "AFT", code: true, system: fireTV},
	{prefix: "GT-P", code: true, tablet: true},
	{prefix: "KF", code: true, system: system{phone, "Fire tablet", "tablet"}},
	{prefix: "SM-P", code: true, tablet: true},
	{prefix: "SM-T", code: true, tablet: true},
	{prefix: "SM-X", code: true, tablet: true},
	{prefix: "TB", code: true, tablet: true},
}

// programs are known by the first word of the agent.
var programs = map[string]string{
	"ApacheBench":       "ApacheBench",
	"Apache-HttpClient": "Java program",
	"Bun":               "Bun program",
	"Deno":              "Deno program",
	"Faraday":           "Ruby program",
	"Go-http-client":    "Go program",
	"GuzzleHttp":        "PHP program",
	"HTTPie":            "HTTPie",
	"Java":              "Java program",
	"Java-http-client":  "Java program",
	"PostmanRuntime":    "Postman",
	"Python":            "Python program",
	"Python-urllib":     "Python program",
	"ReactorNetty":      "Java program",
	"RestSharp":         ".NET program",
	"Ruby":              "Ruby program",
	"Symfony":           "PHP program",
	"Wget":              "Wget",
	"axios":             "Node program",
	"curl":              "curl",
	"got":               "Node program",
	"insomnia":          "Insomnia",
	"k6":                "k6",
	"libwww-perl":       "Perl program",
	"node":              "Node program",
	"node-fetch":        "Node program",
	"python-httpx":      "Python program",
	"python-requests":   "Python program",
	"python-urllib3":    "Python program",
	"reqwest":           "Rust program",
	"rest-client":       "Ruby program",
	"undici":            "Node program",
}
