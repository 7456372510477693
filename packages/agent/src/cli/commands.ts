import type { AnyCommand, CommandEntry } from '@mini-spire/runtime/cli/command'

type Module = Promise<{ readonly command: AnyCommand }>

function entry(path: string, synopsis: string, load: () => Module): CommandEntry {
  return { path, synopsis, load: async () => (await load()).command }
}

const fetchX509 = 'Fetches X509 SVIDs from the Workload API'

/** Every command of the agent. None is loaded before it is called. */
export function agentCommands(): readonly CommandEntry[] {
  return [
    entry('api fetch', fetchX509, () => import('./api/fetch-x509.ts')),
    entry(
      'api fetch jwt',
      'Fetches a JWT SVID from the Workload API',
      () => import('./api/fetch-jwt.ts'),
    ),
    entry('api fetch x509', fetchX509, () => import('./api/fetch-x509.ts')),
    entry('api validate jwt', 'Validates a JWT SVID', () => import('./api/validate-jwt.ts')),
    entry(
      'api watch',
      "Attaches to the Workload API and prints updates as they're received",
      () => import('./api/watch.ts'),
    ),
    entry(
      'debug getinfo',
      'Prints debug information about the agent',
      () => import('./debug/getinfo.ts'),
    ),
    entry('healthcheck', 'Determines agent health status', () => import('./healthcheck.ts')),
    entry('logger get', 'Gets the logger details', () => import('./logger/get.ts')),
    entry(
      'logger reset',
      'Reset the logger details to launch level',
      () => import('./logger/reset.ts'),
    ),
    entry('logger set', 'Sets the logger details', () => import('./logger/set.ts')),
    entry('run', 'Runs the agent', () => import('./run.ts')),
    entry('validate', 'Validates a SPIRE agent configuration file', () => import('./validate.ts')),
  ]
}
