import type { AnyCommand, CommandEntry } from '@mini-spire/runtime/cli/command'
import { authorityCommands } from './localauthority/authority-commands.ts'

type Module = Promise<{ readonly command: AnyCommand }>

function entry(path: string, synopsis: string, load: () => Module): CommandEntry {
  return { path, synopsis, load: async () => (await load()).command }
}

/** Every command of the server. None is loaded before it is called. */
export function serverCommands(): readonly CommandEntry[] {
  return [
    entry('agent ban', 'Ban an attested agent given its SPIFFE ID', () => import('./agent/ban.ts')),
    entry('agent count', 'Count attested agents', () => import('./agent/count.ts')),
    entry(
      'agent evict',
      'Evicts an attested agent given its SPIFFE ID',
      () => import('./agent/evict.ts'),
    ),
    entry(
      'agent list',
      'Lists attested agents and their SPIFFE IDs',
      () => import('./agent/list.ts'),
    ),
    entry(
      'agent purge',
      'Purge expired agents that were attested using a non-TOFU security model based on a given time',
      () => import('./agent/purge.ts'),
    ),
    entry(
      'agent show',
      'Shows the details of an attested agent given its SPIFFE ID',
      () => import('./agent/show.ts'),
    ),
    entry('bundle count', 'Count bundles', () => import('./bundle/count.ts')),
    entry('bundle show', 'Prints server CA bundle to stdout', () => import('./bundle/show.ts')),
    entry(
      'debug getinfo',
      'Prints debug information about the server',
      () => import('./debug/getinfo.ts'),
    ),
    entry('entry count', 'Count registration entries', () => import('./entry/count.ts')),
    entry('entry create', 'Creates registration entries', () => import('./entry/create.ts')),
    entry('entry delete', 'Deletes registration entries', () => import('./entry/delete.ts')),
    entry(
      'entry show',
      'Displays configured registration entries',
      () => import('./entry/show.ts'),
    ),
    entry('entry update', 'Updates registration entries', () => import('./entry/update.ts')),
    entry('healthcheck', 'Determines server health status', () => import('./healthcheck.ts')),
    entry('import', "Takes over a SPIRE server's data", () => import('./import/import.ts')),
    entry('jwt mint', 'Mints a JWT-SVID', () => import('./jwt/mint.ts')),
    ...authorityCommands(),
    entry('logger get', 'Gets the logger details', () => import('./logger/get.ts')),
    entry(
      'logger reset',
      'Reset the logger details to launch level',
      () => import('./logger/reset.ts'),
    ),
    entry('logger set', 'Sets the logger details', () => import('./logger/set.ts')),
    entry('run', 'Runs the server', () => import('./run.ts')),
    entry('run', 'Runs the server', () => import('./run.ts')),
    entry('token generate', 'Generates a join token', () => import('./token/generate.ts')),
    entry('validate', 'Validates a SPIRE server configuration file', () => import('./validate.ts')),
    entry('x509 mint', 'Mints an X509-SVID', () => import('./x509/mint.ts')),
  ]
}
