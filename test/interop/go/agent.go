package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sort"
	"time"

	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	secretv3 "github.com/envoyproxy/go-control-plane/envoy/service/secret/v3"
	delegatedv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/agent/delegatedidentity/v1"
	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
)

// agent asks an agent's sockets for the identities of others and prints one line for each answer, without what differs from run to run.
func agent(args []string) error {
	flags := flag.NewFlagSet("agent", flag.ContinueOnError)
	public := flags.String("public", "", "path of the Workload API's socket")
	admin := flags.String("admin", "", "path of the admin socket")
	selector := flags.String("selector", "", "value of the k8s selector to ask for")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := overSocket(*admin, func(conn *grpc.ClientConn) { askDelegated(ctx, conn, *selector) }); err != nil {
		return err
	}
	return overSocket(*public, func(conn *grpc.ClientConn) {
		askSecrets(ctx, conn)
		stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
		if err == nil {
			_ = stream.Send(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}})
			var answer *reflectionv1.ServerReflectionResponse
			if answer, err = stream.Recv(); err == nil {
				printDescription(answer)
			}
		}
		told("services", err)
	})
}

func overSocket(path string, use func(*grpc.ClientConn)) error {
	conn, err := grpc.NewClient("unix:"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	use(conn)
	return nil
}

func askDelegated(ctx context.Context, conn *grpc.ClientConn, selector string) {
	client := delegatedv1.NewDelegatedIdentityClient(conn)
	target := []*types.Selector{{Type: "k8s", Value: selector}}
	self := int32(os.Getpid())
	for _, request := range []*delegatedv1.SubscribeToX509SVIDsRequest{
		{Selectors: target}, {Pid: self}, {}, {Selectors: target, Pid: self}, {Selectors: []*types.Selector{{Type: "k8s"}}},
	} {
		stream, err := client.SubscribeToX509SVIDs(ctx, request)
		if err == nil {
			var update *delegatedv1.SubscribeToX509SVIDsResponse
			if update, err = stream.Recv(); err == nil {
				for _, svid := range update.X509Svids {
					fmt.Println("x509", svid.X509Svid.Id.GetTrustDomain()+svid.X509Svid.Id.GetPath(), len(svid.X509Svid.CertChain), len(svid.X509SvidKey) > 0, svid.X509Svid.Hint)
				}
				fmt.Println("x509 svids", len(update.X509Svids), update.FederatesWith)
			}
		}
		told("x509", err)
	}
	for _, request := range []*delegatedv1.FetchJWTSVIDsRequest{
		{Audience: []string{"a"}, Selectors: target}, {Selectors: target}, {Audience: []string{"a"}},
		{Audience: []string{"a"}, Selectors: []*types.Selector{{Type: "k8s", Value: "nobody"}}},
	} {
		answer, err := client.FetchJWTSVIDs(ctx, request)
		for _, svid := range answer.GetSvids() {
			fmt.Println("jwt", svid.Id.GetTrustDomain()+svid.Id.GetPath(), len(svid.Token) > 0, svid.ExpiresAt-svid.IssuedAt, svid.Hint)
		}
		told("jwt", err)
	}
	roots, err := client.SubscribeToX509Bundles(ctx, &delegatedv1.SubscribeToX509BundlesRequest{})
	if err == nil {
		var update *delegatedv1.SubscribeToX509BundlesResponse
		if update, err = roots.Recv(); err == nil {
			fmt.Println("roots of", sortedKeys(update.CaCertificates))
		}
	}
	told("roots", err)
	keys, err := client.SubscribeToJWTBundles(ctx, &delegatedv1.SubscribeToJWTBundlesRequest{})
	if err == nil {
		var update *delegatedv1.SubscribeToJWTBundlesResponse
		if update, err = keys.Recv(); err == nil {
			fmt.Println("keys of", sortedKeys(update.Bundles))
		}
	}
	told("keys", err)
}

func askSecrets(ctx context.Context, conn *grpc.ClientConn) {
	client := secretv3.NewSecretDiscoveryServiceClient(conn)
	for _, names := range [][]string{nil, {"default", "ROOTCA"}, {"ALL"}, {"x", "default"}, {"spiffe://example.org", "ROOTCA", "ALL"}} {
		answer, err := client.FetchSecrets(ctx, &discoveryv3.DiscoveryRequest{ResourceNames: names, TypeUrl: "T"})
		told(fmt.Sprint("secrets ", names), err)
		showSecrets(answer)
	}
	stream, err := client.StreamSecrets(ctx)
	if err == nil {
		err = converseSecrets(stream)
	}
	told("stream", err)
	delta, err := client.DeltaSecrets(ctx)
	if err == nil {
		_, err = delta.Recv()
	}
	told("delta", err)
}

func converseSecrets(stream secretv3.SecretDiscoveryService_StreamSecretsClient) error {
	ask := func(nonce, version string, names ...string) (*discoveryv3.DiscoveryResponse, error) {
		request := &discoveryv3.DiscoveryRequest{ResourceNames: names, TypeUrl: "T", ResponseNonce: nonce, VersionInfo: version}
		if err := stream.Send(request); err != nil {
			return nil, err
		}
		answer, err := stream.Recv()
		if err == nil {
			fmt.Println("version", answer.VersionInfo, "nonce of", len(answer.Nonce), answer.TypeUrl)
			showSecrets(answer)
		}
		return answer, err
	}
	first, err := ask("", "", "default")
	if err != nil {
		return err
	}
	second, err := ask(first.Nonce, first.VersionInfo, "default", "ROOTCA")
	if err != nil {
		return err
	}
	_, err = ask(second.Nonce, second.VersionInfo, "nobody")
	return err
}

func showSecrets(answer *discoveryv3.DiscoveryResponse) {
	for _, resource := range answer.GetResources() {
		secret := new(tlsv3.Secret)
		if err := resource.UnmarshalTo(secret); err != nil {
			fmt.Println(err)
			continue
		}
		if certificate := secret.GetTlsCertificate(); certificate != nil {
			fmt.Println("  certificate", secret.Name, len(certificate.CertificateChain.GetInlineBytes()) > 0)
			continue
		}
		custom := secret.GetValidationContext().GetCustomValidatorConfig()
		config := new(tlsv3.SPIFFECertValidatorConfig)
		if err := custom.GetTypedConfig().UnmarshalTo(config); err != nil {
			fmt.Println(err)
			continue
		}
		for _, domain := range config.TrustDomains {
			fmt.Println("  bundle", secret.Name, custom.Name, domain.Name, len(domain.TrustBundle.GetInlineBytes()) > 0)
		}
	}
}

func told(what string, err error) {
	fmt.Println(what, status.Code(err), status.Convert(err).Message())
}

func sortedKeys[V any](of map[string]V) []string {
	keys := make([]string, 0, len(of))
	for key := range of {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}
