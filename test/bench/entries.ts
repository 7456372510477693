import { Entry } from '@mini-spire/runtime/proto/spire/api/types/entry'

/** Entries as a fleet has them: a parent, a SPIFFE ID of their own, two selectors. */
export function makeEntries(
  count: number,
  options: { readonly parentId: string; readonly prefix: string; readonly from?: number },
): Entry[] {
  const { parentId, prefix, from = 0 } = options
  const [, trustDomain = '', path = ''] = /^spiffe:\/\/([^/]+)(.*)$/.exec(parentId) ?? []
  return Array.from({ length: count }, (_, index) =>
    Entry.fromPartial({
      parentId: { trustDomain, path },
      spiffeId: { trustDomain, path: `${prefix}/${from + index}` },
      selectors: [
        { type: 'k8s', value: `ns:team-${(from + index) % 50}` },
        { type: 'k8s', value: `sa:service-${from + index}` },
      ],
    }),
  )
}
