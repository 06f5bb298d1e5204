// SPDX-License-Identifier: Apache-2.0

// Package catalog decides what an Operation may be, from the OperationTemplates that there are.
//
//	Operation + templates -> Book.Find -> the template (or several, or why there is none)
//	template -> Compile -> Entry: digest, schema, rules, window; or what is wrong with it
//	Entry + parameters -> Fill (defaults) -> Validate (schema) -> what the engine gets to see
//
// It is pure: hub, spoke and admission read, and pass in what they have read, so that all three decide the same.
package catalog
