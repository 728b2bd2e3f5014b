package api

import _ "embed"

// PathOpenAPI has the description of the API, for programs. It needs no key.
const PathOpenAPI = "/v1/openapi.json"

//go:embed openapi.json
var openAPI string

// OpenAPI returns the description of the API, an OpenAPI 3.1 document in JSON. The tests
// of api/contract hold it against the server.
func OpenAPI() string { return openAPI }
