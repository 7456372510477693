import { agentPluginKinds } from '@mini-spire/agent/config/plugin-kinds'
import type { PluginKind } from '@mini-spire/runtime/config/check-plugins'
import { serverPluginKinds } from '@mini-spire/server/config/plugin-kinds'
import { describe, expect, it } from 'vitest'
import { readText, repositoryFiles } from '../kit/repository.ts'

interface Plugin {
  readonly program: 'server' | 'agent'
  readonly type: string
  readonly name: string
}

const named =
  (program: Plugin['program']) =>
  ({ type, supported }: PluginKind): readonly Plugin[] =>
    supported.map((name) => ({ program, type, name }))
const plugins = [
  ...serverPluginKinds.flatMap(named('server')),
  ...agentPluginKinds.flatMap(named('agent')),
]

const kebab = (text: string): string =>
  text.replace(/(?<=[a-z])[A-Z]/g, (capital) => `-${capital}`).toLowerCase()

const pages = repositoryFiles().filter((path) => /^docs\/plugins\/.+\/.+\.md$/.test(path))
const tests = repositoryFiles()
  .filter((path) => /^(packages|test)\/.*\.test\.ts$/.test(path))
  .map((path) => ({ path, text: readText(path) }))

function hasPage({ type, name }: Plugin): boolean {
  return pages.some(
    (path) =>
      path.startsWith(`docs/plugins/${kebab(type)}/`) &&
      new RegExp(`["\`]${name}["\`]$`).test(readText(path).split('\n')[0] ?? ''),
  )
}

/** What the file of a kind's contract is called, and in whose package it is. */
function contractOf({ program, type, name }: Plugin): readonly [owner: string, file: string] {
  if (type === 'KeyManager') return ['runtime', 'key-manager']
  // An agent has it; the server looks into its store.
  if (name === 'join_token') return ['agent', 'node-attestor']
  if (type === 'DataStore') return ['server', 'store']
  return [program, kebab(type)]
}

function runsContract(plugin: Plugin): boolean {
  const [owner, file] = contractOf(plugin)
  // `sql` stands for the embedded store.
  const name = plugin.name === 'sql' ? 'level' : plugin.name
  return tests.some(
    ({ path, text }) =>
      (path.startsWith(`packages/${owner}/`)
        ? text.includes(`/${file}.contract.ts'`)
        : new RegExp(`@mini-spire/${owner}/\\S*${file}\\.contract'`).test(text)) &&
      new RegExp(`Contract\\([^']*'${name}'`).test(text),
  )
}

describe('every built-in plugin', () => {
  it('has its page', () => {
    expect(plugins.filter((plugin) => !hasPage(plugin))).toEqual([])
  })

  it('passes the contract suite of its kind', () => {
    expect(plugins.length).toBeGreaterThan(30)
    expect(plugins.filter((plugin) => !runsContract(plugin))).toEqual([])
  })
})
