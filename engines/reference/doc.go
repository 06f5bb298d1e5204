// SPDX-License-Identifier: Apache-2.0

// Reference writes down what an Operation may say to an engine, from the Go structs that spec.parameters is decoded into, so that the
// documentation cannot say anything else than the code. `make generate` runs it in the root of the module.
//
//	engines/all --Parameters(type)--> structs --jsonschema--> deploy/schemas/*.json
//	engines/*/*.go --doc comments, Reason constants--'   '--> docs/reference/parameters.md
//
// It is a tool: nothing that ships imports it, nor the library that it reflects structs with.
//
// The convention for a parameter's comment: it says "Required." or "Default VALUE.", or "Default: WORDS." where the default is not a value
// but a rule; "Required, unless ..." or "Required with ..." where it depends. A comment that says neither stops the generator. Bounds and
// enums are jsonschema tags.
package main
