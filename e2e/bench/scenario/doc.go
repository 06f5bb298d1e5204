// SPDX-License-Identifier: Apache-2.0

// Package scenario measures what only our hub is asked: how soon it is back after a restart, what it does when nothing happens, how it fares with many
// Operations on many clusters at once, and how long a word takes from the hub to a spoke and back.
package scenario
