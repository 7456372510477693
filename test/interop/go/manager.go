package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	entryv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/entry/v1"
	trustdomainv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/trustdomain/v1"
	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
)

// What spire-controller-manager asks for at a time.
const (
	listPage    = int32(200)
	createBatch = 50
	deleteBatch = 200
)

// outcome is what one round of the manager did and found.
type outcome struct {
	Unsupported []string
	Created     int
	Updated     int
	Deleted     int
	Failures    []string
}

// manager makes the calls that spire-controller-manager makes with static manifests, in its order: what is declared is compared with
// what the server has, and created, updated or deleted. It runs three rounds: everything new, nothing to do, something changed and gone.
func manager(args []string) error {
	flags := flag.NewFlagSet("manager", flag.ContinueOnError)
	socket := flags.String("socket", "", "path of the local socket")
	domain := flags.String("trustDomain", "example.org", "trust domain")
	count := flags.Int("entries", 450, "how many entries are declared")
	if err := flags.Parse(args); err != nil {
		return err
	}
	conn, err := grpc.NewClient("unix://"+*socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	m := reconciler{entries: entryv1.NewEntryClient(conn), domains: trustdomainv1.NewTrustDomainClient(conn), domain: *domain}
	first := m.declare(*count)
	changed := append([]*types.Entry{}, first[2:]...)
	changed[0] = m.entry(2, func(e *types.Entry) { e.Hint, e.X509SvidTtl, e.DnsNames = "changed", 120, []string{"changed.test"} })
	for _, declared := range [][]*types.Entry{first, first, changed} {
		found, err := m.round(ctx, declared)
		if err != nil {
			return err
		}
		if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
			return err
		}
	}
	found, err := m.federate(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

type reconciler struct {
	entries entryv1.EntryClient
	domains trustdomainv1.TrustDomainClient
	domain  string
}

func (m reconciler) entry(index int, change func(*types.Entry)) *types.Entry {
	entry := &types.Entry{
		SpiffeId:    &types.SPIFFEID{TrustDomain: m.domain, Path: fmt.Sprintf("/static/%d", index)},
		ParentId:    &types.SPIFFEID{TrustDomain: m.domain, Path: "/spire/server"},
		Selectors:   []*types.Selector{{Type: "k8s", Value: "ns:default"}, {Type: "k8s", Value: fmt.Sprintf("sa:%d", index)}},
		X509SvidTtl: 60, JwtSvidTtl: 60,
	}
	change(entry)
	return entry
}

func (m reconciler) declare(count int) []*types.Entry {
	var declared []*types.Entry
	for index := 0; index < count; index++ {
		declared = append(declared, m.entry(index, func(*types.Entry) {}))
	}
	return declared
}

func (m reconciler) round(ctx context.Context, declared []*types.Entry) (*outcome, error) {
	found := &outcome{Unsupported: []string{}, Failures: []string{}}
	if err := m.probe(ctx, found); err != nil {
		return nil, err
	}
	current, err := m.list(ctx)
	if err != nil {
		return nil, err
	}
	var create, update []*types.Entry
	for _, entry := range declared {
		known, exists := current[keyOf(entry)]
		delete(current, keyOf(entry))
		if !exists {
			create = append(create, entry)
		} else if isOutdated(entry, known) {
			entry.Id = known.Id
			update = append(update, entry)
		}
	}
	var ids []string
	for _, entry := range current {
		ids = append(ids, entry.Id)
	}
	return found, m.apply(ctx, found, create, update, ids)
}

func (m reconciler) apply(ctx context.Context, found *outcome, create, update []*types.Entry, ids []string) error {
	for len(ids) > 0 {
		batch := ids[:min(deleteBatch, len(ids))]
		ids = ids[len(batch):]
		reply, err := m.entries.BatchDeleteEntry(ctx, &entryv1.BatchDeleteEntryRequest{Ids: batch})
		if err != nil {
			return err
		}
		for _, result := range reply.Results {
			found.count(&found.Deleted, result.Status)
		}
	}
	for len(create) > 0 {
		batch := create[:min(createBatch, len(create))]
		create = create[len(batch):]
		reply, err := m.entries.BatchCreateEntry(ctx, &entryv1.BatchCreateEntryRequest{Entries: batch})
		if err != nil {
			return err
		}
		for _, result := range reply.Results {
			found.count(&found.Created, result.Status)
		}
	}
	if len(update) == 0 {
		return nil
	}
	reply, err := m.entries.BatchUpdateEntry(ctx, &entryv1.BatchUpdateEntryRequest{Entries: update})
	if err != nil {
		return err
	}
	for _, result := range reply.Results {
		found.count(&found.Updated, result.Status)
	}
	return nil
}

// probe creates an entry with every field that old servers lack, and deletes it again.
func (m reconciler) probe(ctx context.Context, found *outcome) error {
	id := &types.SPIFFEID{TrustDomain: m.domain, Path: "/spire-controller-manager/unsupported-fields-test"}
	reply, err := m.entries.BatchCreateEntry(ctx, &entryv1.BatchCreateEntryRequest{Entries: []*types.Entry{{
		ParentId: id, SpiffeId: id, Selectors: []*types.Selector{{Type: "a", Value: "1"}},
		X509SvidTtl: 60, JwtSvidTtl: 60, StoreSvid: true, Hint: "hint",
	}}})
	if err != nil {
		return err
	}
	if len(reply.Results) != 1 || reply.Results[0].Status.Code != int32(codes.OK) {
		return fmt.Errorf("probe: %v", reply.Results)
	}
	entry := reply.Results[0].Entry
	if entry.JwtSvidTtl == 0 {
		found.Unsupported = append(found.Unsupported, "jwtSVIDTTL")
	}
	if entry.Hint == "" {
		found.Unsupported = append(found.Unsupported, "hint")
	}
	if !entry.StoreSvid {
		found.Unsupported = append(found.Unsupported, "storeSVID")
	}
	_, err = m.entries.BatchDeleteEntry(ctx, &entryv1.BatchDeleteEntryRequest{Ids: []string{entry.Id}})
	return err
}

func (m reconciler) list(ctx context.Context) (map[string]*types.Entry, error) {
	current := map[string]*types.Entry{}
	for token := ""; ; {
		reply, err := m.entries.ListEntries(ctx, &entryv1.ListEntriesRequest{PageToken: token, PageSize: listPage})
		if err != nil {
			return nil, err
		}
		for _, entry := range reply.Entries {
			current[keyOf(entry)] = entry
		}
		if token = reply.NextPageToken; token == "" {
			return current, nil
		}
	}
}

// federate creates, changes and deletes relationships as the manager does for ClusterFederatedTrustDomain manifests.
func (m reconciler) federate(ctx context.Context) (*outcome, error) {
	found := &outcome{Unsupported: []string{}, Failures: []string{}}
	spiffe := &types.FederationRelationship{
		TrustDomain: "spiffe.test", BundleEndpointUrl: "https://spiffe.test/bundle",
		BundleEndpointProfile: &types.FederationRelationship_HttpsSpiffe{
			HttpsSpiffe: &types.HTTPSSPIFFEProfile{EndpointSpiffeId: "spiffe://spiffe.test/server"},
		},
	}
	web := &types.FederationRelationship{
		TrustDomain: "web.test", BundleEndpointUrl: "https://web.test/bundle",
		BundleEndpointProfile: &types.FederationRelationship_HttpsWeb{HttpsWeb: &types.HTTPSWebProfile{}},
	}
	created, err := m.domains.BatchCreateFederationRelationship(ctx, &trustdomainv1.BatchCreateFederationRelationshipRequest{
		FederationRelationships: []*types.FederationRelationship{spiffe, web},
	})
	if err != nil {
		return nil, err
	}
	for _, result := range created.Results {
		found.count(&found.Created, result.Status)
	}
	web.BundleEndpointUrl = "https://web.test/other"
	updated, err := m.domains.BatchUpdateFederationRelationship(ctx, &trustdomainv1.BatchUpdateFederationRelationshipRequest{
		FederationRelationships: []*types.FederationRelationship{web},
	})
	if err != nil {
		return nil, err
	}
	for _, result := range updated.Results {
		found.count(&found.Updated, result.Status)
	}
	listed, err := m.domains.ListFederationRelationships(ctx, &trustdomainv1.ListFederationRelationshipsRequest{PageSize: listPage})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, relationship := range listed.FederationRelationships {
		names = append(names, relationship.TrustDomain)
		if relationship.TrustDomain == "web.test" && relationship.BundleEndpointUrl != "https://web.test/other" {
			found.Failures = append(found.Failures, "web.test was not updated")
		}
	}
	deleted, err := m.domains.BatchDeleteFederationRelationship(ctx, &trustdomainv1.BatchDeleteFederationRelationshipRequest{TrustDomains: names})
	if err != nil {
		return nil, err
	}
	for _, result := range deleted.Results {
		found.count(&found.Deleted, result.Status)
	}
	return found, nil
}

func (o *outcome) count(number *int, status *types.Status) {
	if status.GetCode() == int32(codes.OK) {
		*number++
	} else {
		o.Failures = append(o.Failures, status.GetMessage())
	}
}

func keyOf(entry *types.Entry) string {
	var selectors []string
	for _, selector := range entry.Selectors {
		selectors = append(selectors, selector.Type+":"+selector.Value)
	}
	sort.Strings(selectors)
	return entry.SpiffeId.Path + " " + entry.ParentId.Path + " " + strings.Join(selectors, " ")
}

func isOutdated(declared, known *types.Entry) bool {
	return declared.X509SvidTtl != known.X509SvidTtl || declared.JwtSvidTtl != known.JwtSvidTtl || declared.Hint != known.Hint ||
		strings.Join(declared.DnsNames, " ") != strings.Join(known.DnsNames, " ")
}
