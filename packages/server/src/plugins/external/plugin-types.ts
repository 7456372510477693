import type { KeyManager } from '@mini-spire/runtime/key-manager/key-manager'
import type { ExternalPlugin } from '@mini-spire/runtime/plugin-host/external-plugin'
import type { PluginSource } from '@mini-spire/runtime/plugin-host/plugin-loader'
import type { BundlePublisher } from '../bundle-publisher/bundle-publisher.ts'
import type { CredentialComposer } from '../credential-composer/credential-composer.ts'
import type { NodeAttestor } from '../node-attestor/node-attestor.ts'
import type { Notifier } from '../notifier/notifier.ts'
import type { UpstreamAuthority } from '../upstream-authority/upstream-authority.ts'
import { bundlePublisherService, ExternalBundlePublisher } from './bundle-publisher-client.ts'
import {
  credentialComposerService,
  ExternalCredentialComposer,
} from './credential-composer-client.ts'
import { ExternalKeyManager, keyManagerService } from './key-manager-client.ts'
import { ExternalNodeAttestor, nodeAttestorService } from './node-attestor-client.ts'
import { ExternalNotifier, notifierService } from './notifier-client.ts'
import { ExternalUpstreamAuthority, upstreamAuthorityService } from './upstream-authority-client.ts'

type External<P extends object> = PluginSource<P>['external']

function external<P extends object>(
  service: string,
  adapt: (plugin: ExternalPlugin) => P,
): External<P> {
  return { service, adapt }
}

/** How a program of its own becomes a plugin of each of the server's types. */
export const externalTypes: {
  readonly bundlePublisher: External<BundlePublisher>
  readonly credentialComposer: External<CredentialComposer>
  readonly keyManager: External<KeyManager>
  readonly nodeAttestor: External<NodeAttestor>
  readonly notifier: External<Notifier>
  readonly upstreamAuthority: External<UpstreamAuthority>
} = {
  bundlePublisher: external(bundlePublisherService, (one) => new ExternalBundlePublisher(one)),
  credentialComposer: external(
    credentialComposerService,
    (one) => new ExternalCredentialComposer(one),
  ),
  keyManager: external(keyManagerService, (one) => new ExternalKeyManager(one)),
  nodeAttestor: external(nodeAttestorService, (one) => new ExternalNodeAttestor(one)),
  notifier: external(notifierService, (one) => new ExternalNotifier(one)),
  upstreamAuthority: external(
    upstreamAuthorityService,
    (one) => new ExternalUpstreamAuthority(one),
  ),
}
