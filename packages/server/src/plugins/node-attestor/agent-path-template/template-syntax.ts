import { splitTemplate, type TemplatePart, type Token } from './template-lexer.ts'
import { literalOf } from './template-literal.ts'
import { type Pipeline, PipelineReader } from './template-pipeline.ts'

/** Text, a value to be printed, or a structure of more of them. */
export type TemplateNode =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'print'; readonly pipeline: Pipeline }
  | {
      readonly kind: 'if' | 'with' | 'range'
      readonly pipeline: Pipeline
      readonly body: readonly TemplateNode[]
      readonly otherwise: readonly TemplateNode[]
    }
  | { readonly kind: 'break' | 'continue' }
  | {
      readonly kind: 'template'
      readonly name: string
      readonly pipeline: Pipeline | undefined
    }

/** A template and the ones that it defines, by name. */
export interface ParsedTemplate {
  readonly nodes: readonly TemplateNode[]
  readonly defined: ReadonlyMap<string, readonly TemplateNode[]>
}

const maxDepth = 100

/**
 * Parses a template. Variables and functions that are not known are refused here, when the configuration is read, not when
 * an agent comes.
 *
 * @param functions the names of functions there are
 * @throws {Error} saying what is not understood
 */
export function parseTemplate(source: string, functions: ReadonlySet<string>): ParsedTemplate {
  return new TemplateParser(splitTemplate(source), functions).parse()
}

class TemplateParser {
  readonly #parts: readonly TemplatePart[]
  readonly #functions: ReadonlySet<string>
  readonly #defined = new Map<string, readonly TemplateNode[]>()
  readonly #asked = new Set<string>()
  #next = 0
  #variables: string[] = ['$']
  #loops = 0
  #depth = 0

  constructor(parts: readonly TemplatePart[], functions: ReadonlySet<string>) {
    this.#parts = parts
    this.#functions = functions
  }

  parse(): ParsedTemplate {
    const { nodes, end } = this.#list()
    if (end) throw new Error(`unexpected {{${end.word}}}`)
    for (const name of this.#asked) {
      if (!this.#defined.has(name)) throw new Error(`template "${name}" not defined`)
    }
    return { nodes, defined: this.#defined }
  }

  /** Nodes up to `end` or `else`, which is returned with what follows it. */
  #list(): {
    readonly nodes: TemplateNode[]
    readonly end?: { readonly word: string; readonly rest: readonly Token[] }
  } {
    if (++this.#depth > maxDepth) throw new Error('template is nested too deep')
    const nodes: TemplateNode[] = []
    for (;;) {
      const part = this.#parts[this.#next++]
      if (part === undefined) break
      if (typeof part === 'string') {
        nodes.push({ kind: 'text', text: part })
        continue
      }
      const [first, ...rest] = part
      const word = first?.text ?? ''
      if (word === 'end' || word === 'else') {
        this.#depth--
        return { nodes, end: { word, rest } }
      }
      const node = this.#action(word, part)
      if (node) nodes.push(node)
    }
    this.#depth--
    return { nodes }
  }

  #action(word: string, tokens: readonly Token[]): TemplateNode | undefined {
    const rest = tokens.slice(1)
    switch (word) {
      case 'if':
      case 'with':
      case 'range':
        return this.#control(word, rest)
      case 'break':
      case 'continue':
        if (this.#loops === 0) throw new Error(`{{${word}}} outside {{range}}`)
        if (rest.length > 0) throw new Error(`unexpected "${rest[0]?.text}" in {{${word}}}`)
        return { kind: word }
      case 'define':
        this.#define(nameOf(rest, word, 1), false)
        return undefined
      case 'block': {
        const name = nameOf(rest, word)
        const pipeline = this.#pipeline(rest.slice(1))
        this.#define(name, true)
        return { kind: 'template', name, pipeline }
      }
      case 'template': {
        const name = nameOf(rest, word)
        this.#asked.add(name)
        const given = rest.slice(1)
        return {
          kind: 'template',
          name,
          pipeline: given.length > 0 ? this.#pipeline(given) : undefined,
        }
      }
      default:
        return { kind: 'print', pipeline: this.#pipeline(tokens) }
    }
  }

  #control(kind: 'if' | 'with' | 'range', tokens: readonly Token[]): TemplateNode {
    const known = this.#variables.length
    const pipeline = this.#pipeline(tokens, kind === 'range' ? 2 : 1)
    if (kind === 'range') this.#loops++
    const { nodes: body, end } = this.#list()
    if (kind === 'range') this.#loops--
    if (!end) throw new Error('unexpected EOF')
    const otherwise = end.word === 'else' ? this.#otherwise(kind, end.rest) : []
    if (end.word === 'end') requireNothing(end.rest)
    this.#variables.length = known
    return { kind, pipeline, body, otherwise }
  }

  #otherwise(kind: string, rest: readonly Token[]): readonly TemplateNode[] {
    const [first, ...condition] = rest
    // `{{else if}}` is an `if` in the else of the first, and both have one end.
    if (kind !== 'range' && first?.text === kind) {
      return [this.#control(kind as 'if' | 'with', condition)]
    }
    requireNothing(rest)
    const { nodes, end } = this.#list()
    if (end?.word !== 'end') throw new Error('expected end; found {{else}}')
    return nodes
  }

  #define(name: string, isBlock: boolean): void {
    const [variables, loops] = [this.#variables, this.#loops]
    if (!isBlock && this.#depth !== 1) throw new Error('unexpected {{define}}')
    this.#variables = ['$']
    this.#loops = 0
    const { nodes, end } = this.#list()
    if (end?.word !== 'end') throw new Error(`unexpected end of template "${name}"`)
    this.#variables = variables
    this.#loops = loops
    if (!(isBlock && this.#defined.has(name))) this.#defined.set(name, nodes)
  }

  #pipeline(tokens: readonly Token[], maxVariables = 1): Pipeline {
    const reader = new PipelineReader(tokens, this.#functions, this.#variables)
    return reader.read(maxVariables)
  }
}

function requireNothing([token]: readonly Token[]): void {
  if (token) throw new Error(`unexpected "${token.text}"`)
}

function nameOf(tokens: readonly Token[], word: string, maxTokens = Number.POSITIVE_INFINITY) {
  const [first] = tokens
  if (!first || !/^["`]/.test(first.text) || tokens.length > maxTokens) {
    throw new Error(`unexpected "${first?.text ?? '}}'}" in ${word} clause`)
  }
  return String(literalOf(first.text))
}
