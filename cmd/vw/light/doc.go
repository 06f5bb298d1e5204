// SPDX-License-Identifier: Apache-2.0

// Package light reads objects of an API server without what nobody asked for: of a thousand ManifestWorks it decodes the few fields that are shown, in one
// request, and takes tables from the server where that is what is printed.
//
//	API server -> Reader -> List, Get, Watch: into a type with the fields that are wanted -> listing, inventory
//	                     -> Table: rows as the API server itself would print them
package light
