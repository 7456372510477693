import type { Token } from './template-lexer.ts'
import { literalOf } from './template-literal.ts'

/** One part of a command: a value or what makes one. `offset` is where it stands in the template. */
export type Operand =
  | { readonly kind: 'literal'; readonly value: string | number | boolean | null }
  | {
      readonly kind: 'fields'
      /** Of what: a pipeline, a variable, or the data at hand. */
      readonly base: Pipeline | string | undefined
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

/** Commands, each fed with the value of the one before it as its last argument; and the variables that get the last one. */
export interface Pipeline {
  readonly variables: readonly string[]
  readonly isAssignment: boolean
  readonly commands: readonly Command[]
}

const maxDepth = 100

/** Reads the pipeline of one action. */
export class PipelineReader {
  readonly #tokens: readonly Token[]
  readonly #functions: ReadonlySet<string>
  /** Those that are known; what is declared comes to them. */
  readonly #variables: string[]
  #next = 0
  #depth = 0

  constructor(tokens: readonly Token[], functions: ReadonlySet<string>, variables: string[]) {
    this.#tokens = tokens
    this.#functions = functions
    this.#variables = variables
  }

  read(maxVariables: number): Pipeline {
    const { names, isAssignment } = this.#declaration(maxVariables)
    const commands = this.#commands(undefined)
    if (isAssignment) for (const name of names) this.#requireVariable(name)
    else this.#variables.push(...names)
    return { variables: names, isAssignment, commands }
  }

  #declaration(maxVariables: number): {
    readonly names: readonly string[]
    readonly isAssignment: boolean
  } {
    const names: string[] = []
    for (let at = 0; names.length < maxVariables; at += 2) {
      const [name, sign] = [this.#tokens[at]?.text ?? '', this.#tokens[at + 1]?.text]
      if (!name.startsWith('$') || (sign !== ':=' && sign !== '=' && sign !== ',')) break
      names.push(name)
      if (sign === ',') continue
      this.#next = at + 2
      return { names, isAssignment: sign === '=' }
    }
    if (this.#tokens.some(({ text }) => text === ',' || text === ':=' || text === '=')) {
      throw new Error('too many declarations')
    }
    return { names: [], isAssignment: false }
  }

  #commands(end: ')' | undefined): readonly Command[] {
    if (++this.#depth > maxDepth) throw new Error('template is nested too deep')
    const commands: Command[] = [this.#command()]
    for (;;) {
      const token = this.#tokens[this.#next++]
      if (token?.text === end) {
        this.#depth--
        return commands
      }
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
      if (/^[\p{L}_]/u.test(token.text) && !/^(?:true|false|nil)$/.test(token.text)) {
        const name = this.#function(token)
        if (call || operands.length > 0) {
          operands.push({ kind: 'pipeline', pipeline: callOf({ name, offset: token.offset }) })
        } else call = { name, offset: token.offset }
        continue
      }
      operands.push(this.#operand())
    }
    const [only] = operands
    if (!call && operands.length !== 1) throw new Error('missing value for command')
    if (!call && only?.kind === 'literal' && only.value === null) {
      throw new Error('nil is not a command')
    }
    return { call, operands }
  }

  #function(token: Token): string {
    if (!this.#functions.has(token.text)) throw new Error(`function "${token.text}" not defined`)
    this.#next++
    return token.text
  }

  #operand(): Operand {
    const token = this.#tokens[this.#next++]
    if (!token) throw new Error('unexpected end of action')
    const { text, offset } = token
    if (text === '(') {
      const pipeline = { variables: [], isAssignment: false, commands: this.#commands(')') }
      const names = this.#fieldNames()
      if (names.length === 0) return { kind: 'pipeline', pipeline }
      return { kind: 'fields', base: pipeline, names, offset, text: '(...)' }
    }
    if (text.startsWith('$')) {
      this.#requireVariable(text)
      const names = this.#fieldNames()
      return { kind: 'fields', base: text, names, offset, text: [text, ...names].join('.') }
    }
    if (text === '.') return { kind: 'fields', base: undefined, names: [], offset, text }
    if (text.startsWith('.')) return this.#fields(token)
    return { kind: 'literal', value: literalOf(text) }
  }

  #requireVariable(name: string): void {
    if (!this.#variables.includes(name)) throw new Error(`undefined variable "${name}"`)
  }

  #fields(first: Token): Operand {
    const second = this.#tokens[this.#next]
    const more = this.#fieldNames()
    const names = [first.text.slice(1), ...more]
    const offset = more.length > 0 ? (second?.offset ?? first.offset) : first.offset
    return { kind: 'fields', base: undefined, names, offset, text: `.${names.join('.')}` }
  }

  #fieldNames(): readonly string[] {
    const names: string[] = []
    for (;;) {
      const token = this.#tokens[this.#next]
      if (!token || token.afterSpace || !/^\.[\p{L}_]/u.test(token.text)) return names
      names.push(token.text.slice(1))
      this.#next++
    }
  }
}

function callOf(call: NonNullable<Command['call']>): Pipeline {
  return { variables: [], isAssignment: false, commands: [{ call, operands: [] }] }
}
