import type { TemplateFunction } from './function-signature.ts'
import type { Command, Operand, Pipeline } from './template-pipeline.ts'
import type { ParsedTemplate, TemplateNode } from './template-syntax.ts'
import {
  boundedValue,
  isEmptyValue,
  printValue,
  TemplateStruct,
  type TemplateValue,
  templateLimits,
  typeNameOf,
} from './template-value.ts'

/** What a template needs to run. */
export interface TemplateProgram {
  readonly source: string
  readonly parsed: ParsedTemplate
  readonly functions: ReadonlyMap<string, TemplateFunction>
}

/** What stopped a list of nodes before its end. */
type Jump = 'break' | 'continue' | undefined

/**
 * Fills a template in: one run, with its variables and its limits.
 *
 * @throws {Error} as Go words it, with the place in the template
 */
export function runTemplate(program: TemplateProgram, data: TemplateStruct): string {
  return new TemplateRun(program).run(data)
}

class TemplateRun {
  readonly #program: TemplateProgram
  #output = ''
  #steps = 0
  #depth = 0
  #variables: { readonly name: string; value: TemplateValue }[] = []

  constructor(program: TemplateProgram) {
    this.#program = program
  }

  run(data: TemplateStruct): string {
    this.#variables = [{ name: '$', value: data }]
    this.#list(this.#program.parsed.nodes, data)
    return this.#output
  }

  #list(nodes: readonly TemplateNode[], dot: TemplateValue): Jump {
    for (const node of nodes) {
      this.#step()
      const jump = this.#node(node, dot)
      if (jump) return jump
    }
    return undefined
  }

  #node(node: TemplateNode, dot: TemplateValue): Jump {
    switch (node.kind) {
      case 'text':
        this.#print(node.text)
        return undefined
      case 'print': {
        const value = this.#pipeline(node.pipeline, dot)
        if (node.pipeline.variables.length > 0) return undefined
        this.#print(value === null ? '<no value>' : printValue(value))
        return undefined
      }
      case 'if':
      case 'with':
        return this.#scoped(() => {
          const value = this.#pipeline(node.pipeline, dot)
          if (isEmptyValue(value)) return this.#list(node.otherwise, dot)
          return this.#list(node.body, node.kind === 'with' ? value : dot)
        })
      case 'range':
        return this.#scoped(() => this.#range(node, dot))
      case 'template':
        this.#template(node, dot)
        return undefined
      default:
        return node.kind
    }
  }

  #scoped(body: () => Jump): Jump {
    const known = this.#variables.length
    const jump = body()
    this.#variables.length = known
    return jump
  }

  #range(
    node: TemplateNode & { readonly kind: 'range' | 'if' | 'with' },
    dot: TemplateValue,
  ): Jump {
    const { variables, isAssignment } = node.pipeline
    const value = this.#pipeline({ ...node.pipeline, variables: [] }, dot)
    const pairs = this.#elementsOf(value)
    if (pairs.length === 0) return this.#list(node.otherwise, dot)
    for (const [key, element] of pairs) {
      this.#step()
      const given = variables.length === 2 ? [key, element] : [element]
      const jump = this.#scoped(() => {
        variables.forEach((name, at) => {
          this.#set(name, given[at] ?? null, isAssignment)
        })
        return this.#list(node.body, element)
      })
      if (jump === 'break') break
    }
    return undefined
  }

  #elementsOf(value: TemplateValue): readonly (readonly [TemplateValue, TemplateValue])[] {
    if (value === null) return []
    if (Array.isArray(value)) return value.map((element, index) => [index, element])
    if (value instanceof Map) return [...value].sort(([one], [other]) => (one < other ? -1 : 1))
    if (typeof value === 'number' && Number.isInteger(value)) {
      if (value > templateLimits.elements) throw new Error('the range is too long')
      return Array.from({ length: Math.max(value, 0) }, (_, index) => [index, index])
    }
    throw new Error(`range can't iterate over ${printValue(value)}`)
  }

  #template(
    { name, pipeline }: TemplateNode & { readonly kind: 'template' },
    dot: TemplateValue,
  ): void {
    const nodes = this.#program.parsed.defined.get(name) ?? []
    const data = pipeline ? this.#pipeline(pipeline, dot) : null
    if (++this.#depth > templateLimits.depth) throw new Error('exceeded maximum template depth')
    const outer = this.#variables
    this.#variables = [{ name: '$', value: data }]
    this.#list(nodes, data)
    this.#variables = outer
    this.#depth--
  }

  #pipeline({ variables, isAssignment, commands }: Pipeline, dot: TemplateValue): TemplateValue {
    let value: TemplateValue | undefined
    for (const command of commands) value = this.#command(command, value, dot)
    for (const name of variables) this.#set(name, value ?? null, isAssignment)
    return value ?? null
  }

  #set(name: string, value: TemplateValue, isAssignment: boolean): void {
    const found = this.#variables.findLast((one) => one.name === name)
    if (isAssignment && found) found.value = value
    else this.#variables.push({ name, value })
  }

  #command(
    { call, operands }: Command,
    last: TemplateValue | undefined,
    dot: TemplateValue,
  ): TemplateValue {
    this.#step()
    if (!call) return operands[0] ? this.#value(operands[0], dot) : null
    if (call.name === 'and' || call.name === 'or') {
      return this.#decide(call, operands, last, dot)
    }
    const args = operands.map((operand) => this.#value(operand, dot))
    if (last !== undefined) args.push(last)
    const body = this.#program.functions.get(call.name)
    if (!body) throw new Error(`function "${call.name}" not defined`)
    try {
      return boundedValue(body(args))
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : ''
      throw this.#error(call.offset, call.name, `error calling ${call.name}: ${why}`)
    }
  }

  /** `and` and `or` look at no more than they need. */
  #decide(
    { name, offset }: { readonly name: string; readonly offset: number },
    operands: readonly Operand[],
    last: TemplateValue | undefined,
    dot: TemplateValue,
  ): TemplateValue {
    const values: (() => TemplateValue)[] = operands.map((one) => () => this.#value(one, dot))
    if (last !== undefined) values.push(() => last)
    if (values.length === 0) {
      throw this.#error(offset, name, `wrong number of args for ${name}: want at least 1 got 0`)
    }
    let value: TemplateValue = null
    for (const next of values) {
      value = next()
      if (isEmptyValue(value) === (name === 'and')) break
    }
    return value
  }

  #value(operand: Operand, dot: TemplateValue): TemplateValue {
    switch (operand.kind) {
      case 'literal':
        return operand.value
      case 'pipeline':
        return this.#pipeline(operand.pipeline, dot)
      case 'fields': {
        let value = this.#base(operand.base, dot)
        for (const name of operand.names) value = this.#field(value, name, operand)
        return value
      }
    }
  }

  #base(base: Pipeline | string | undefined, dot: TemplateValue): TemplateValue {
    if (base === undefined) return dot
    if (typeof base !== 'string') return this.#pipeline(base, dot)
    return this.#variables.findLast((one) => one.name === base)?.value ?? null
  }

  #field(
    value: TemplateValue,
    name: string,
    { offset, text }: { readonly offset: number; readonly text: string },
  ): TemplateValue {
    if (value instanceof TemplateStruct) {
      const field = value.fields.get(name)
      if (field !== undefined) return field
    } else if (value instanceof Map) {
      const found = value.get(name)
      if (found !== undefined) return found
      throw this.#error(offset, text, `map has no entry for key "${name}"`)
    }
    const what = `can't evaluate field ${name} in type ${typeNameOf(value)}`
    throw this.#error(offset, text, what)
  }

  #print(text: string): void {
    this.#output += text
    if (this.#output.length > templateLimits.textBytes) throw new Error('the path is too long')
  }

  #step(): void {
    if (++this.#steps > templateLimits.steps) throw new Error('the template takes too long')
  }

  #error(offset: number, where: string, what: string): Error {
    const before = this.#program.source.slice(0, offset).split('\n')
    const column = before.at(-1)?.length ?? 0
    const short = where.length > 20 ? `${where.slice(0, 20)}...` : where
    return new Error(
      `template: agent-path:${before.length}:${column}: executing "agent-path" at <${short}>: ${what}`,
    )
  }
}
