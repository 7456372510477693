import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readText, repositoryFiles, root } from '../kit/repository.ts'
import { sourceFiles } from './source-files.ts'

const exported =
  /^export (?:declare )?(?:abstract )?(?:async )?(?:class|function\*?|interface|const|type) (\w+)/

/** Exports whose name says it all: unions of error codes. One-line aliases and constants are left out too. */
function needsNoComment(name: string): boolean {
  return /ErrorCode$/.test(name)
}

describe('documentation', () => {
  it('everything exported says what it does', () => {
    const silent = sourceFiles()
      .filter((file) => !file.isTest && !file.inner.endsWith('index.ts'))
      .flatMap((file) => {
        const lines = file.text.split('\n')
        return lines.flatMap((line, index) => {
          const name = exported.exec(line)?.[1]
          if (name === undefined || needsNoComment(name)) return []
          if (/^export (const|type)/.test(line) && !/[{(|=]$/.test(line.trim())) return []
          const isOverload = exported.exec(lines[index - 1] ?? '')?.[1] === name
          const isDocumented = /\*\/\s*$/.test(lines[index - 1] ?? '')
          return isDocumented || isOverload ? [] : [`${file.path}:${index + 1} ${name}`]
        })
      })
    expect(silent).toEqual([])
  })

  it('links between documents lead somewhere', () => {
    const broken = repositoryFiles()
      .filter((file) => file.endsWith('.md'))
      .flatMap((file) =>
        [...readText(file).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)]
          .map((match) => match[1] ?? '')
          .filter((target) => !existsSync(join(root, dirname(file), target)))
          .map((target) => `${file}: ${target}`),
      )
    expect(broken).toEqual([])
  })

  it('tests that the security gates name are there', () => {
    const text = readText('docs/security-gates.md')
    const named = [...text.matchAll(/`([\w./-]+\.test\.ts)`((?:,?\s+“[^”]+(?:’[^”]*)?”)+)/g)]
    const missing = named.flatMap(([, path = '', titles = '']) => {
      const file = path.startsWith('test/') ? path : `packages/${path}`
      const tests = existsSync(join(root, file)) ? readText(file) : ''
      return [...titles.matchAll(/“([^”]+)”/g)]
        .map(([, title = '']) => title)
        .filter((title) => !tests.includes(`'${title}'`))
        .map((title) => `${file}: ${title}`)
    })
    expect(named.length).toBeGreaterThan(30)
    expect(missing).toEqual([])
  })

  it('decisions are numbered once and have context, choice and price', () => {
    const decisions = repositoryFiles().filter((file) =>
      /^docs\/decisions\/\d{4}-.*\.md$/.test(file),
    )
    const numbers = decisions.map((file) => /\d{4}/.exec(file)?.[0])
    expect(new Set(numbers).size).toBe(numbers.length)
    const thin = decisions.filter(
      (file) =>
        !/^#+ Context/m.test(readText(file)) ||
        !/^#+ (Choice|Decision)/m.test(readText(file)) ||
        !/^#+ Price/m.test(readText(file)),
    )
    expect(thin).toEqual([])
  })
})
