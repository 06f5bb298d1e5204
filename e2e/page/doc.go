// SPDX-License-Identifier: Apache-2.0

// Package page reads the pages of the documentation as a test does: which blocks of code are in them, and what has to be done with each.
//
// What is done with a block is said by an HTML comment right before it, which no reader sees:
//
//	<!-- run: hub -->                   the commands are run against the hub, or spoke1, ...
//	<!-- run: hub, expect: TEXT -->     and print TEXT; each `...` in it stands for anything
//	<!-- run: hub, until: TEXT -->      and are run again until they print TEXT
//	<!-- run: hub, fails: TEXT -->      and fail, with TEXT
//	<!-- output -->                     is what the commands before it print, loosely: see [Matches]
//	<!-- apply: hub -->                 the manifest is applied
//	<!-- manifest: hub -->              it is checked by the API server, and not applied
//	<!-- file: NAME, on: hub -->        it is checked so, and is the file NAME for the commands that follow; any other text without `on`
//	<!-- fragment: Operation -->        is part of a manifest of that kind, which is decoded strictly; any other YAML without a kind
//	<!-- shown: REASON -->              is neither commands nor a manifest
//	<!-- not run: REASON -->            cannot be run here
//
// The reasons are those of [Reasons]. Two comments stand for themselves:
//
//	<!-- where: NAME=VALUE, ... -->     NAME stands for VALUE in the blocks that follow
//	<!-- before: hub
//	COMMANDS
//	-->                                 the commands are run, and not shown: they set the scene
//
// A block without a comment is an error, so that none comes in unseen.
package page
