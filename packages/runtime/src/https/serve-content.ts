import type { IncomingMessage, ServerResponse } from 'node:http'
import { answerPlainly } from './plain-answer.ts'

/** A document in memory. */
export interface Content {
  readonly body: Buffer
  readonly type: string
  /** To the second. */
  readonly modifiedAt: Date
  /** More headers, such as those about caching. */
  readonly headers: Readonly<Record<string, string>>
}

type Range = readonly [start: number, end: number]

/**
 * Answers a GET with a document as Go's file server does: conditional by date, and by range. Of several ranges none is looked at: the
 * whole document is an answer too [RFC 9110 14.2].
 */
export function serveContent(
  request: IncomingMessage,
  response: ServerResponse,
  content: Content,
): void {
  const { body, type, modifiedAt, headers } = content
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  response.setHeader('last-modified', modifiedAt.toUTCString())
  const status = preconditions(request, modifiedAt)
  if (status === 304) return void response.writeHead(304).end()
  response.setHeader('content-type', type)
  if (status === 412) return void response.writeHead(412, { 'content-length': 0 }).end()
  const range = rangeOf(request, modifiedAt, body.length)
  if (typeof range === 'string') {
    for (const name of ['cache-control', 'last-modified']) response.removeHeader(name)
    if (range !== malformed) response.setHeader('content-range', `bytes */${body.length}`)
    const reason = 'Requested Range Not Satisfiable'
    answerPlainly(response, { status: 416, reason, text: range })
    return
  }
  response.setHeader('accept-ranges', 'bytes')
  const [start, end] = range ?? [0, body.length]
  if (range) response.setHeader('content-range', `bytes ${start}-${end - 1}/${body.length}`)
  response.writeHead(range ? 206 : 200, { 'content-length': end - start })
  response.end(body.subarray(start, end))
}

/** The status that the conditions of a request lead to [RFC 9110 13.2.2]; there are no entity tags here. */
function preconditions({ headers }: IncomingMessage, modifiedAt: Date): 200 | 304 | 412 {
  const match = headers['if-match']
  if (match !== undefined) {
    if (match.trim() !== '*') return 412
  } else if (isModifiedSince(headers['if-unmodified-since'], modifiedAt) === true) return 412
  const noneMatch = headers['if-none-match']
  if (noneMatch !== undefined) return noneMatch.trim() === '*' ? 304 : 200
  return isModifiedSince(headers['if-modified-since'], modifiedAt) === false ? 304 : 200
}

/** Undefined without a date. */
function isModifiedSince(header: string | undefined, modifiedAt: Date): boolean | undefined {
  const since = httpDate(header)
  return since === undefined ? undefined : toSeconds(modifiedAt) > since
}

function httpDate(header: string | undefined): number | undefined {
  if (header === undefined || !/^[A-Z][a-z]{2}, .* GMT$/.test(header)) return undefined
  const ms = Date.parse(header)
  return Number.isNaN(ms) ? undefined : ms / 1000
}

function toSeconds(date: Date): number {
  return Math.floor(date.getTime() / 1000)
}

const malformed = 'invalid range'

/** The one range asked for; undefined: everything; a text: what is wrong with what is asked for. */
function rangeOf(
  { headers }: IncomingMessage,
  modifiedAt: Date,
  size: number,
): Range | string | undefined {
  const { range } = headers
  if (range === undefined) return undefined
  const condition = headers['if-range']
  if (condition !== undefined && httpDate(String(condition)) !== toSeconds(modifiedAt))
    return undefined
  if (!range.startsWith('bytes=')) return malformed
  const asked = range
    .slice('bytes='.length)
    .split(',')
    .map((one) => one.trim())
  const parsed = asked.filter((one) => one !== '').map((one) => parseRange(one, size))
  if (parsed.includes(malformed)) return malformed
  const ranges = parsed.filter((one) => typeof one !== 'string')
  if (parsed.length > 0 && ranges.length === 0) return `${malformed}: failed to overlap`
  return ranges.length === 1 ? ranges[0] : undefined
}

function parseRange(text: string, size: number): Range | string {
  const match = /^(\d{0,15})\s*-\s*(\d{0,15})$/.exec(text)
  const [, first = '', last = ''] = match ?? []
  if (!match || first + last === '') return malformed
  if (first === '') return [Math.max(size - Number(last), 0), size]
  const start = Number(first)
  if (start >= size) return 'no overlap'
  if (last === '') return [start, size]
  return start > Number(last) ? malformed : [start, Math.min(Number(last) + 1, size)]
}
