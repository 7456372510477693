import { existsSync, readFileSync, watch, writeFileSync } from 'node:fs'
import {
  type Execute,
  postgresDialect,
  sqliteBytes,
  sqliteDialect,
} from '@mini-spire/server/import/import.test-kit'
import { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import { ServerDeployment } from '../kit/deployment.ts'
import { isPostgresMissing, startPostgres } from '../kit/postgres.ts'
import { ours, runProgram, Scene } from '../kit/processes.ts'
import { type FilledDatabase, fillSpireDatabase } from '../kit/spire-database.ts'

function importFrom(config: string, ...more: readonly string[]) {
  const args = ['import', '-from-datastore', '-config', config, '-output', 'json', ...more]
  return runProgram(ours.server, args)
}

function recordsOf(printed: string): Record<string, Record<string, number>> {
  return JSON.parse(printed).records
}

/** The server goes on with what the database had: the same authority signs, agents and entries are there. */
function expectTakenOver(server: ServerDeployment, filled: FilledDatabase): void {
  const { agents } = JSON.parse(server.must('agent', 'list', '-output', 'json'))
  expect(agents).toMatchObject([{ x509svid_serial_number: '1234', can_reattest: true }])
  expect(server.must('entry', 'count')).toContain(String(filled.entryCount))
  expect(server.must('entry', 'show', '-entryID', 'entry-7')).toContain(
    'Revision                : 3',
  )
  const authority = `local_authority_id=${filled.authorityId}`
  expect(server.daemon.output).toMatch(new RegExp(`X509 CA activated.*${authority}`))
  expect(server.daemon.output).not.toContain('X509 CA prepared')
}

describe('import -from-datastore', () => {
  it('takes over a SQLite database, which is never written; the server refuses to run before', async () => {
    await using scene = new Scene()
    const server = await ServerDeployment.prepare(scene)
    const folder = scene.path('server')
    const path = `${folder}/datastore.sqlite3`
    let filled: FilledDatabase | undefined
    const bytes = await sqliteBytes(async (execute) => {
      filled = await fillSpireDatabase(execute, sqliteDialect, `${folder}/keys.json`)
    })
    if (!filled) throw new Error('nothing was filled')
    writeFileSync(path, bytes)
    const keys = readFileSync(`${folder}/keys.json`, 'utf8')

    const refused = scene.start(ours.server, ['run', '-config', server.config])
    expect(await refused.ended).toBe(1)
    expect(refused.output).toContain(`import -from-datastore -config ${server.config}`)

    const counts = { created: filled.entryCount, unchanged: 0, conflicts: 0, refused: 0 }
    const dry = importFrom(server.config, '-dryRun')
    expect(recordsOf(dry.stdout)['entries']).toEqual(counts)
    const first = importFrom(server.config)
    expect(recordsOf(first.stdout)['entries']).toEqual(counts)
    const second = importFrom(server.config)
    expect(recordsOf(second.stdout)['entries']).toMatchObject({ created: 0, unchanged: 1200 })
    expect([dry, first, second].map(({ status }) => status)).toEqual([0, 0, 0])
    expect(readFileSync(path).equals(bytes)).toBe(true)

    await server.restart()
    expectTakenOver(server, filled)
    expect(readFileSync(`${folder}/keys.json`, 'utf8')).toBe(keys)
    const busy = importFrom(server.config)
    expect(busy.status).toBe(1)
    expect(busy.stderr).toContain('is in use by another process')
  })

  it('is finished by doing it again after a kill in the middle; no server starts before', async () => {
    await using scene = new Scene()
    const server = await ServerDeployment.prepare(scene)
    const folder = scene.path('server')
    const entryCount = 10_000
    let filled: FilledDatabase | undefined
    const bytes = await sqliteBytes(async (execute) => {
      filled = await fillSpireDatabase(execute, sqliteDialect, `${folder}/keys.json`, entryCount)
    })
    if (!filled) throw new Error('nothing was filled')
    writeFileSync(`${folder}/datastore.sqlite3`, bytes)
    const marker = `${folder}/import-incomplete`
    const args = ['import', '-from-datastore', '-config', server.config]
    const killed = scene.start(ours.server, args)
    const begun = watch(folder)
    await new Promise<void>((resolve) => {
      begun.on('change', (_, name) => name === 'import-incomplete' && resolve())
    })
    begun.close()
    expect(await killed.stop('SIGKILL')).toBe('SIGKILL')
    expect(existsSync(marker)).toBe(true)

    const refused = scene.start(ours.server, ['run', '-config', server.config])
    expect(await refused.ended).toBe(1)
    expect(refused.output).toContain(
      `was interrupted; finish it with: mini-spire-server import -from-datastore -config ${server.config}`,
    )
    const finished = importFrom(server.config)
    expect(finished.stderr).toContain('entry: 10000 read\n')
    const again = recordsOf(finished.stdout)['entries'] ?? {}
    expect((again['created'] ?? 0) + (again['unchanged'] ?? 0)).toBe(entryCount)
    expect(again).toMatchObject({ conflicts: 0, refused: 0 })
    expect(existsSync(marker)).toBe(false)
    await server.restart()
    expectTakenOver(server, filled)
  })

  it('says what is wrong with its flags, and exits with 1', () => {
    for (const args of [[], ['-from-datastore', '-from-socket', 'x.sock']]) {
      const done = runProgram(ours.server, ['import', ...args])
      expect(done).toMatchObject({
        status: 1,
        stderr: 'Error: say either -from-datastore or -from-socket\n',
      })
    }
  })
})

describe.skipIf(isPostgresMissing())('import -from-datastore from PostgreSQL', () => {
  it('takes over the database, but not while somebody else is connected', async () => {
    await using scene = new Scene()
    await using postgres = await startPostgres()
    const { connectionString } = postgres
    const keysPath = scene.path('keys.json')
    const others = (store: string): string => `
    DataStore ${store}
    KeyManager "disk" { plugin_data { keys_path = "${keysPath}" } }`
    const sql = `"sql" { plugin_data { database_type = "postgres" connection_string = "${connectionString}" } }`
    const spire = await ServerDeployment.prepare(scene, { name: 'spire', plugins: others(sql) })
    const host = connectionString.split(' ')[0]?.slice('host='.length) ?? ''
    const client = new Client({ host, user: 'spire', database: 'postgres' })
    await client.connect()
    const execute: Execute = async (text, parameters = []) => {
      let count = 0
      await client.query(
        text.replaceAll('?', () => `$${++count}`),
        [...parameters],
      )
    }
    const filled = await fillSpireDatabase(execute, postgresDialect, keysPath)

    const refused = runProgram(ours.server, ['run', '-config', spire.config])
    expect(refused.status).toBe(1)
    expect(refused.stderr).toContain(
      `mini-spire-server import -from-datastore -config ${spire.config}; then write DataStore "level" {}`,
    )
    const shared = importFrom(spire.config)
    expect(shared).toMatchObject({ status: 1, stderr: expect.stringContaining('1 more open') })
    await client.end()

    expect(importFrom(spire.config)).toMatchObject({ status: 0, stderr: '' })
    const again = importFrom(spire.config)
    expect(recordsOf(again.stdout)['entries']).toMatchObject({ created: 0, unchanged: 1200 })

    // The same folders, with the embedded store in place of the database.
    const text = readFileSync(spire.config, 'utf8').replace(sql, '"level" {}')
    writeFileSync(spire.config, text)
    await spire.restart()
    expectTakenOver(spire, filled)
  })

  it('says what it cannot reach, without the password', async () => {
    await using scene = new Scene()
    const connection = `host=${scene.folder} user=u password=hunter2 sslmode=disable`
    const plugins = `
    DataStore "sql" { plugin_data { database_type = "postgres" connection_string = "${connection}" } }
    KeyManager "memory" { plugin_data {} }`
    const spire = await ServerDeployment.prepare(scene, { plugins })
    const done = importFrom(spire.config)
    expect(done.status).toBe(1)
    expect(done.stderr).toContain('unable to connect to the PostgreSQL database')
    expect(done.stderr).not.toContain('hunter2')
  })
})
