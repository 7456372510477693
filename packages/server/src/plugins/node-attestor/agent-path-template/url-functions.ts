import { parseGoUrl } from '@mini-spire/runtime/go-url'
import { type TemplateFunction, taking } from './function-signature.ts'
import { TemplateDict, type TemplateValue, typeNameOf } from './template-value.ts'

/** The functions of sprig that take a URL apart and put it together. */
export const urlFunctions: readonly (readonly [string, TemplateFunction])[] = [
  ['urlParse', taking(['string'], parseUrl)],
  ['urlJoin', taking(['dict'], joinUrl)],
]

function parseUrl(text: string): TemplateValue {
  parseGoUrl(text)
  const [, before = '', fragment = ''] = /^([^#]*)(?:#(.*))?$/s.exec(text) ?? []
  const [, scheme = '', rest = ''] = /^(?:([A-Za-z][A-Za-z0-9+.-]*):)?(.*)$/s.exec(before) ?? []
  const [, hierarchy = '', query = ''] = /^([^?]*)(?:\?(.*))?$/s.exec(rest) ?? []
  const authority = /^\/\/([^/]*)/.exec(hierarchy)?.[1]
  const [, user = '', host = ''] = /^(?:(.*)@)?(.*)$/s.exec(authority ?? '') ?? []
  const isOpaque = scheme !== '' && !hierarchy.startsWith('/') && hierarchy !== ''
  const path = authority === undefined ? hierarchy : hierarchy.slice(authority.length + 2)
  return new TemplateDict([
    ['scheme', scheme.toLowerCase()],
    ['host', host],
    ['hostname', host.replace(/:\d*$/, '').replace(/^\[(.*)\]$/, '$1')],
    ['path', isOpaque ? '' : decodeURIComponent(path)],
    ['query', query],
    ['opaque', isOpaque ? hierarchy : ''],
    ['fragment', decodeURIComponent(fragment)],
    ['userinfo', user],
  ])
}

function joinUrl(dict: TemplateDict): string {
  const part = (name: string): string => {
    const value = dict.get(name) ?? ''
    if (typeof value === 'string') return value
    throw new Error(
      `unable to parse ${name} key, must be of type string, but ${typeNameOf(value)} found`,
    )
  }
  const [scheme, user, host, path, query, fragment] = [
    part('scheme'),
    part('userinfo'),
    part('host'),
    encodeURI(part('path')),
    part('query'),
    part('fragment'),
  ]
  const authority = host === '' && user === '' ? '' : `//${user && `${user}@`}${host}`
  const slash = authority !== '' && path !== '' && !path.startsWith('/') ? '/' : ''
  const hierarchy = part('opaque') || `${authority}${slash}${path}`
  return `${scheme && `${scheme}:`}${hierarchy}${query && `?${query}`}${fragment && `#${encodeURI(fragment)}`}`
}
