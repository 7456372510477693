// Before anything is loaded: without a handler SIGUSR1 opens Node's debugger port, and SIGUSR2 ends the process.
process.on('SIGUSR1', () => {})
process.on('SIGUSR2', () => {})

const { processTerminal } = await import('@mini-spire/runtime/cli/terminal')
const { dispatch } = await import('@mini-spire/runtime/cli/dispatch')
const { version } = await import('@mini-spire/runtime/version')
const { serverCommands } = await import('./commands.ts')

const program = {
  name: 'spire-server',
  version,
  commands: serverCommands(process.env['SPIRE_SERVER_FFLAGS']),
}
process.exit(await dispatch(program, process.argv.slice(2), processTerminal()))

export {}
