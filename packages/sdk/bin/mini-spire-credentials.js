#!/usr/bin/env node
// Without a handler SIGUSR1 opens Node's debugger port, and with it everything that this program holds.
process.on('SIGUSR1', () => {})
await import('../dist/cli/main.js')
