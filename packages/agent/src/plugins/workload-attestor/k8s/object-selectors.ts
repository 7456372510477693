import { apiGroup, type ObjectMetadata, type ResourceKind } from './cluster-objects.ts'

/** The selector values of an object of any kind but pods, from its metadata. */
export function objectSelectors(kind: ResourceKind, object: ObjectMetadata): readonly string[] {
  const { plural, group, version } = kind
  const { uid, name, namespace, labels, owners } = object
  const prefix = apiGroup(group) === '' ? '' : `${group}/`
  return [
    `uid:${uid}`,
    `resource:${plural}.${group}`,
    `plural:${plural}`,
    `group:${group}`,
    `version:${version}`,
    `apiVersion:${prefix}${version}`,
    `kind:${kind.kind}`,
    `name:${name}`,
    ...(namespace === ''
      ? [`key:${name}`]
      : [`namespace:${namespace}`, `key:${namespace}/${name}`]),
    ...[...labels].map(([key, value]) => `label:${key}:${value}`),
    ...owners.flatMap((owner) => {
      const of = `${owner.group}/${owner.kind}`
      const ids = (what: string): readonly string[] => [
        `${what}-key:${of}/${owner.name}`,
        `${what}-uid:${of}/${owner.uid}`,
      ]
      return owner.isController ? [...ids('owner'), ...ids('controller')] : ids('owner')
    }),
  ]
}
