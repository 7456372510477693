#!/bin/sh
':' //; exec node --min-semi-space-size=8 --max-semi-space-size=8 "$0" "$@"
// The two lines above start Node with a young generation that is small and does not have to grow first: less memory under load, a faster start.
import '../dist/main.js'
