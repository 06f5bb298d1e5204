// SPDX-License-Identifier: Apache-2.0

package main

import _ "time/tzdata" // the image has none
