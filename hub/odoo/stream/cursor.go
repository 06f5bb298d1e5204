// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"hash/fnv"
	"strconv"

	"k8s.io/apimachinery/pkg/types"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// taker takes an event, or does not because there is no room; then it was not told. What a sink does not want is taken, and goes nowhere.
type taker func(event) bool

// cursor is how far one sink was told of one object. What it was not told is in the object, so that a cursor is all that is kept for it, and it is small. It is
// a value: to change a copy changes no other.
type cursor struct {
	// uid of the object. Another of the same name has a cursor of its own.
	uid types.UID
	// more there is to know of some; nil of most.
	more *details
	// told is the number of the last transition that was told.
	told int32
	// blocked and degraded are digests of those conditions as they were told; 0 when they were not.
	blocked, degraded uint32
	// over: the end was told, and all results. gone: so was the deletion. lettered: what is left to tell is in a letter.
	over, gone, lettered bool
}

// details of a cursor are never changed: another cursor may have them too.
type details struct {
	// ended clusters, and attempt of the run, when its results were last read.
	ended, attempt int32
	// nextRead is when results may be read again, in Unix seconds.
	nextRead int64
	// chunks of results that were told in part, or whole; nil when nothing of them was told, or all of them were and the Operation has ended.
	chunks []chunk
	// conditions of an ApplicationInstance as they were told.
	conditions []told
}

// detailed are the details of a cursor, to read.
func (c *cursor) detailed() details {
	if c.more == nil {
		return details{}
	}
	return *c.more
}

// digest of a condition: it changes when the condition does in anything that people see.
func digest(c metav1.Condition) uint32 {
	h := fnv.New32a()
	for _, s := range []string{c.Type, string(c.Status), c.Reason, c.Message} {
		_, _ = h.Write([]byte(s))
		_, _ = h.Write([]byte{0})
	}
	return max(1, h.Sum32())
}

// conditionKey of a condition that has no number: the same condition has the same key.
func conditionKey(of string, c metav1.Condition) string {
	return "condition/" + of + "/" + c.Type + "/" + string(c.Status) + "#" + strconv.FormatInt(c.LastTransitionTime.Unix(), 10) + "." + strconv.FormatUint(uint64(digest(c)), 16)
}
