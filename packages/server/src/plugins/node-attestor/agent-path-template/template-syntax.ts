import { templateFunctions } from './template-functions.ts'

/** One part of a command: a value or what makes one. `offset` is where it stands in the template. */
export type Operand =
  | { readonly kind: 'literal'; readonly value: string | number | boolean }
  | {
      readonly kind: 'fields'
      readonly base: Pipeline | undefined
      readonly names: readonly string[]
      readonly offset: number
      readonly text: string
    }
  | { readonly kind: 'pipeline'; readonly pipeline: Pipeline }

/** A function with its arguments, or a single operand. */
export interface Command {
  readonly call: { readonly name: string; readonly offset: number } | undefined
  readonly operands: readonly Operand[]
}

/** Commands, each fed with the value of the one before it as its last argument. */
export type Pipeline = readonly Command[]

export type TemplateNode = string | Pipeline

/** What a template may have at most; a longer one is a mistake. */
const maxTokens = 1000

interface Token {
  readonly text: string
  readonly offset: number
  readonly afterSpace: boolean
}

const tokenPattern =
  /(\s+)|("(?:[^"\\\n]|\\.)*"|`[^`]*`|\.[A-Za-z_][A-Za-z0-9_]*|[A-Za-z_][A-Za-z0-9_]*|[+-]?\d+|[.()|])/y

/**
 * Splits a template into literal text and pipelines. Control structures, variables and functions that are not known are
 * refused here, when the configuration is read, not when an agent comes.
 *
 * @throws {Error} saying what is not understood
 */
export function parseTemplate(source: string): readonly TemplateNode[] {
  const nodes: TemplateNode[] = []
  let rest = 0
  let trimNext = false
  for (;;) {
    const open = source.indexOf('{{', rest)
    const trimsBefore = open >= 0 && /^-\s/.test(source.slice(open + 2, open + 4))
    let text = source.slice(rest, open < 0 ? undefined : open)
    if (trimNext) text = text.trimStart()
    if (trimsBefore) text = text.trimEnd()
    if (text !== '') nodes.push(text)
    if (open < 0) return nodes
    const start = open + (trimsBefore ? 3 : 2)
    const action = readAction(source, start)
    trimNext = action.trimsAfter
    rest = action.end
    if (action.pipeline) nodes.push(action.pipeline)
  }
}

function readAction(source: string, start: number) {
  const comment = /^\s*\/\*[\s\S]*?\*\/\s*?( -)?\}\}/.exec(source.slice(start))
  if (comment) {
    return {
      pipeline: undefined,
      end: start + comment[0].length,
      trimsAfter: comment[1] !== undefined,
    }
  }
  const { tokens, end, trimsAfter } = tokenize(source, start)
  const parser = new Parser(tokens)
  return { pipeline: parser.pipeline(undefined), end, trimsAfter }
}

function tokenize(source: string, start: number) {
  const tokens: Token[] = []
  let afterSpace = true
  for (let at = start; ; ) {
    if (tokens.length > maxTokens) throw new Error('template is too long')
    const close = /^(\s-)?\}\}/.exec(source.slice(at, at + 4))
    if (close) return { tokens, end: at + close[0].length, trimsAfter: close[1] !== undefined }
    tokenPattern.lastIndex = at
    const match = tokenPattern.exec(source)
    if (!match) throw new Error(at >= source.length ? 'unclosed action' : 'unexpected character')
    if (match[2] !== undefined) tokens.push({ text: match[2], offset: at, afterSpace })
    afterSpace = match[1] !== undefined
    at += match[0].length
  }
}

class Parser {
  readonly #tokens: readonly Token[]
  #next = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  pipeline(end: ')' | undefined): Pipeline {
    const commands: Command[] = [this.#command()]
    for (;;) {
      const token = this.#tokens[this.#next++]
      if (token?.text === end) return commands
      if (token?.text !== '|') throw new Error('unexpected end of action')
      const command = this.#command()
      if (!command.call) throw new Error('non executable command in pipeline')
      commands.push(command)
    }
  }

  #command(): Command {
    let call: Command['call']
    const operands: Operand[] = []
    for (;;) {
      const token = this.#tokens[this.#next]
      if (!token || token.text === '|' || token.text === ')') break
      if (/^[A-Za-z_]/.test(token.text) && token.text !== 'true' && token.text !== 'false') {
        if (!templateFunctions.has(token.text)) {
          throw new Error(`function "${token.text}" not defined`)
        }
        this.#next++
        if (call || operands.length > 0) {
          operands.push({
            kind: 'pipeline',
            pipeline: [{ call: { name: token.text, offset: token.offset }, operands: [] }],
          })
        } else call = { name: token.text, offset: token.offset }
        continue
      }
      operands.push(this.#operand())
    }
    if (!call && operands.length !== 1) throw new Error('missing value for command')
    return { call, operands }
  }

  #operand(): Operand {
    const token = this.#tokens[this.#next++]
    if (!token) throw new Error('unexpected end of action')
    if (token.text === '(') {
      const pipeline = this.pipeline(')')
      const names = this.#fieldNames()
      if (names.length === 0) return { kind: 'pipeline', pipeline }
      return { kind: 'fields', base: pipeline, names, offset: token.offset, text: '(...)' }
    }
    if (token.text === '.') {
      return { kind: 'fields', base: undefined, names: [], offset: token.offset, text: '.' }
    }
    if (token.text.startsWith('.')) return this.#fields(token)
    return { kind: 'literal', value: literalOf(token.text) }
  }

  #fields(first: Token): Operand {
    const second = this.#tokens[this.#next]
    const more = this.#fieldNames()
    const names = [first.text.slice(1), ...more]
    return {
      kind: 'fields',
      base: undefined,
      names,
      offset: more.length > 0 ? (second?.offset ?? first.offset) : first.offset,
      text: `.${names.join('.')}`,
    }
  }

  #fieldNames(): readonly string[] {
    const names: string[] = []
    for (;;) {
      const token = this.#tokens[this.#next]
      if (!token || token.afterSpace || !/^\.[A-Za-z_]/.test(token.text)) return names
      names.push(token.text.slice(1))
      this.#next++
    }
  }
}

function literalOf(text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true'
  if (text.startsWith('`')) return text.slice(1, -1)
  if (text.startsWith('"')) {
    try {
      return JSON.parse(text) as string
    } catch (cause) {
      throw new Error(`unable to parse string ${text}`, { cause })
    }
  }
  if (/^[+-]?\d+$/.test(text)) return Number(text)
  throw new Error(`unexpected "${text}" in operand`)
}
