import { get } from 'node:http'
import { text } from 'node:stream/consumers'

/** A metric of a scrape. */
export interface ScrapedMetric {
  readonly type: string
  /** Names of the labels of its series, `quantile` left out. */
  readonly labels: ReadonlySet<string>
}

/** Reads a metrics endpoint of the loopback address. */
export function scrape(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path: '/metrics', agent: false }, (response) => {
      text(response).then(resolve, reject)
    }).on('error', reject)
  })
}

/** The metrics of a scrape by their names. */
export function parseScrape(body: string): ReadonlyMap<string, ScrapedMetric> {
  const metrics = new Map<string, { readonly type: string; readonly labels: Set<string> }>()
  for (const line of body.split('\n')) {
    const [, declared, type = ''] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? []
    if (declared) metrics.set(declared, { type, labels: new Set() })
    const [, name = '', labels = ''] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? \S+$/.exec(line) ?? []
    const metric = metrics.get(name) ?? metrics.get(name.replace(/_(sum|count)$/, ''))
    for (const [, label = ''] of labels.matchAll(/(\w+)="(?:[^"\\]|\\.)*"/g))
      if (label !== 'quantile') metric?.labels.add(label)
  }
  return metrics
}
