// Command plugins holds plugins built with SPIRE's plugin SDK. The first argument chooses one; tests run the same program
// under mini-spire and under SPIRE. The hostile ones break the rules of plugins, each in its own way.
package main

import (
	"fmt"
	"os"

	"github.com/spiffe/spire-plugin-sdk/pluginmain"
	agentkeymanagerv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/agent/keymanager/v1"
	agentnodeattestorv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/agent/nodeattestor/v1"
	svidstorev1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/agent/svidstore/v1"
	workloadattestorv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/agent/workloadattestor/v1"
	bundlepublisherv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/bundlepublisher/v1"
	credentialcomposerv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/credentialcomposer/v1"
	keymanagerv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/keymanager/v1"
	nodeattestorv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/nodeattestor/v1"
	notifierv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/notifier/v1"
	upstreamauthorityv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/upstreamauthority/v1"
	configv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/service/common/config/v1"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: plugins <plugin>")
		os.Exit(2)
	}
	switch name := os.Args[1]; name {
	case "server-node-attestor":
		plugin := new(serverNodeAttestor)
		pluginmain.Serve(nodeattestorv1.NodeAttestorPluginServer(plugin), configv1.ConfigServiceServer(plugin))
	case "agent-node-attestor":
		plugin := new(agentNodeAttestor)
		pluginmain.Serve(agentnodeattestorv1.NodeAttestorPluginServer(plugin), configv1.ConfigServiceServer(plugin))
	case "server-key-manager":
		plugin := newKeyManager()
		pluginmain.Serve(keymanagerv1.KeyManagerPluginServer(plugin), configv1.ConfigServiceServer(plugin))
	case "agent-key-manager":
		pluginmain.Serve(agentkeymanagerv1.KeyManagerPluginServer(new(agentkeymanagerv1.UnimplementedKeyManagerServer)))
	case "notifier":
		plugin := new(notifier)
		pluginmain.Serve(notifierv1.NotifierPluginServer(plugin), configv1.ConfigServiceServer(plugin))
	case "bundle-publisher":
		plugin := new(bundlePublisher)
		pluginmain.Serve(bundlepublisherv1.BundlePublisherPluginServer(plugin), configv1.ConfigServiceServer(plugin))
	case "credential-composer":
		plugin := new(credentialComposer)
		pluginmain.Serve(credentialcomposerv1.CredentialComposerPluginServer(plugin), configv1.ConfigServiceServer(plugin))
	case "upstream-authority":
		plugin := new(upstreamAuthority)
		pluginmain.Serve(upstreamauthorityv1.UpstreamAuthorityPluginServer(plugin), configv1.ConfigServiceServer(plugin))
	case "workload-attestor":
		plugin := new(workloadAttestor)
		pluginmain.Serve(workloadattestorv1.WorkloadAttestorPluginServer(plugin), configv1.ConfigServiceServer(plugin))
	case "reference-attestor":
		plugin := new(referenceAttestor)
		pluginmain.Serve(workloadattestorv1.WorkloadAttestorPluginServer(plugin), configv1.ConfigServiceServer(plugin))
	case "svid-store":
		plugin := new(svidStore)
		pluginmain.Serve(svidstorev1.SVIDStorePluginServer(plugin), configv1.ConfigServiceServer(plugin))
	default:
		hostile(name)
	}
}
