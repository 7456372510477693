import { execFileSync, spawn } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hasProgram, missingPeer } from './peers.ts'

/** A PostgreSQL server of its own, on a Unix socket, whose data goes when it is disposed of. */
export interface PostgresServer extends AsyncDisposable {
  /** In libpq's words. */
  readonly connectionString: string
}

/** Where Debian keeps the programs of each version. */
const debianFolder = '/usr/lib/postgresql'

/** Whether PostgreSQL cannot be started here; says so aloud. */
export function isPostgresMissing(): boolean {
  return programPath('initdb') ? false : missingPeer('PostgreSQL', 'apt-get install postgresql')
}

/** Makes a database cluster and starts a server on it; it refuses to run as root, so it runs as nobody then. */
export async function startPostgres(): Promise<PostgresServer> {
  const folder = mkdtempSync(join(tmpdir(), 'postgres-'))
  const isRoot = process.getuid?.() === 0
  const nobody = Number(execFileSync('id', ['-u', 'nobody'], { encoding: 'utf8' }))
  const user = isRoot ? { uid: nobody, gid: nobody } : {}
  const data = join(folder, 'data')
  mkdirSync(data, { mode: 0o700 })
  if (isRoot) for (const path of [folder, data]) chownSync(path, nobody, nobody)
  const options = { ...user, cwd: folder, env: { PATH: process.env['PATH'], LC_ALL: 'C' } }
  const init = ['-D', data, '-U', 'spire', '--auth=trust', '--no-sync']
  execFileSync(programPath('initdb') ?? 'initdb', init, { ...options, stdio: 'pipe' })
  const arguments_ = ['-D', data, '-k', folder, '-c', 'listen_addresses=', '-c', 'fsync=off']
  const server = spawn(programPath('postgres') ?? 'postgres', arguments_, {
    ...options,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()))
  await new Promise<void>((resolve, reject) => {
    let output = ''
    server.stderr.on('data', (bytes: Buffer) => {
      output += bytes.toString('utf8')
      if (output.includes('database system is ready to accept connections')) resolve()
    })
    server.once('exit', () => reject(new Error(`PostgreSQL did not start:\n${output}`)))
  })
  return {
    connectionString: `host=${folder} user=spire dbname=postgres sslmode=disable`,
    async [Symbol.asyncDispose]() {
      server.kill('SIGINT')
      await ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function programPath(name: string): string | undefined {
  if (hasProgram(name, '--version')) return name
  if (!existsSync(debianFolder)) return undefined
  return readdirSync(debianFolder)
    .map((version) => join(debianFolder, version, 'bin', name))
    .find((path) => existsSync(path))
}
