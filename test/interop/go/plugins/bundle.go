package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/spiffe/spire-plugin-sdk/pluginsdk"
	metricsv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/hostservice/common/metrics/v1"
	identityproviderv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/hostservice/server/identityprovider/v1"
	bundlepublisherv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/bundlepublisher/v1"
	notifierv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/notifier/v1"
	"github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/types"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// record is a line that a plugin writes about what it was told.
type record struct {
	Event       string   `json:"event"`
	TrustDomain string   `json:"trustDomain,omitempty"`
	Sequence    uint64   `json:"sequence,omitempty"`
	X509        []string `json:"x509,omitempty"`
	JWT         []string `json:"jwt,omitempty"`
	Chain       []string `json:"chain,omitempty"`
	HasKey      bool     `json:"hasKey,omitempty"`
}

func recordOf(event string, bundle *types.Bundle) record {
	made := record{Event: event, TrustDomain: bundle.GetTrustDomain(), Sequence: bundle.GetSequenceNumber()}
	for _, authority := range bundle.GetX509Authorities() {
		made.X509 = append(made.X509, base64.StdEncoding.EncodeToString(authority.Asn1))
	}
	for _, key := range bundle.GetJwtAuthorities() {
		made.JWT = append(made.JWT, key.KeyId)
	}
	return made
}

func write(directory, name string, line any) error {
	file, err := os.OpenFile(filepath.Join(directory, name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	return json.NewEncoder(file).Encode(line)
}

// notifier writes down each event, with the identity that the server gives it.
type notifier struct {
	notifierv1.UnimplementedNotifierServer
	configurable

	identities identityproviderv1.IdentityProviderServiceClient
	metrics    metricsv1.MetricsServiceClient
}

func (p *notifier) BrokerHostServices(broker pluginsdk.ServiceBroker) error {
	if !broker.BrokerClient(&p.identities) || !broker.BrokerClient(&p.metrics) {
		return status.Error(codes.FailedPrecondition, "a host service is missing")
	}
	return nil
}

func (p *notifier) Notify(ctx context.Context, req *notifierv1.NotifyRequest) (*notifierv1.NotifyResponse, error) {
	updated := req.GetBundleUpdated()
	if updated == nil {
		return nil, status.Error(codes.InvalidArgument, "unknown event")
	}
	return &notifierv1.NotifyResponse{}, p.note(ctx, recordOf("updated", updated.Bundle))
}

func (p *notifier) NotifyAndAdvise(ctx context.Context, req *notifierv1.NotifyAndAdviseRequest) (*notifierv1.NotifyAndAdviseResponse, error) {
	config, err := p.get()
	if err != nil {
		return nil, err
	}
	if config.Value == "refuse" {
		return nil, status.Error(codes.FailedPrecondition, "the bundle is not to my taste")
	}
	return &notifierv1.NotifyAndAdviseResponse{}, p.note(ctx, recordOf("loaded", req.GetBundleLoaded().GetBundle()))
}

func (p *notifier) note(ctx context.Context, line record) error {
	config, err := p.get()
	if err != nil {
		return err
	}
	found, err := p.identities.FetchX509Identity(ctx, &identityproviderv1.FetchX509IdentityRequest{})
	if err != nil {
		return err
	}
	for _, certificate := range found.Identity.CertChain {
		line.Chain = append(line.Chain, base64.StdEncoding.EncodeToString(certificate))
	}
	line.HasKey = len(found.Identity.PrivateKey) > 0 && found.Bundle.TrustDomain == line.TrustDomain
	_, _ = p.metrics.IncrCounter(ctx, &metricsv1.IncrCounterRequest{
		Key: []string{"test", "notified"}, Val: 1, Labels: []*metricsv1.Label{{Name: "event", Value: line.Event}},
	})
	return write(config.Directory, "notified.jsonl", line)
}

// bundlePublisher appends each bundle that it publishes to a file.
type bundlePublisher struct {
	bundlepublisherv1.UnimplementedBundlePublisherServer
	configurable
}

func (p *bundlePublisher) PublishBundle(_ context.Context, req *bundlepublisherv1.PublishBundleRequest) (*bundlepublisherv1.PublishBundleResponse, error) {
	config, err := p.get()
	if err != nil {
		return nil, err
	}
	return &bundlepublisherv1.PublishBundleResponse{}, write(config.Directory, "published.jsonl", recordOf("published", req.Bundle))
}
