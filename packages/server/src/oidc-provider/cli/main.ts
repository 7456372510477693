// Before anything is loaded: without a handler SIGUSR1 opens Node's debugger port, and SIGUSR2 ends the process.
process.on('SIGUSR1', () => {})
process.on('SIGUSR2', () => {})

const { processTerminal } = await import('@mini-spire/runtime/cli/terminal')
const { providerCommand } = await import('./provider-command.ts')

const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => stop.abort())
process.exit(await providerCommand(process.argv.slice(2), processTerminal(), stop.signal))

export {}
