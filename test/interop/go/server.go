package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	agentv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/agent/v1"
	bundlev1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/bundle/v1"
	entryv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/entry/v1"
	svidv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/svid/v1"
	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// server runs a fixed conversation over a server's local socket with the SPIRE API SDK and prints each reply as JSON.
func server(args []string) error {
	flags := flag.NewFlagSet("server", flag.ContinueOnError)
	socket := flags.String("socket", "", "path of the local socket")
	domain := flags.String("trustDomain", "example.org", "trust domain")
	if err := flags.Parse(args); err != nil {
		return err
	}
	conn, err := grpc.NewClient("unix:"+*socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return converse(ctx, conn, *domain)
}

func converse(ctx context.Context, conn *grpc.ClientConn, domain string) error {
	entries := entryv1.NewEntryClient(conn)
	entry := &types.Entry{
		SpiffeId:  &types.SPIFFEID{TrustDomain: domain, Path: "/go"},
		ParentId:  &types.SPIFFEID{TrustDomain: domain, Path: "/spire/agent/x"},
		Selectors: []*types.Selector{{Type: "unix", Value: "uid:1"}},
		DnsNames:  []string{"go.test"}, Hint: "go", X509SvidTtl: 600,
	}
	created, err := entries.BatchCreateEntry(ctx, &entryv1.BatchCreateEntryRequest{Entries: []*types.Entry{entry, entry}})
	if err := show("BatchCreateEntry", created, err); err != nil {
		return err
	}
	if len(created.Results) != 2 {
		return errors.New("two results were expected")
	}
	id := created.Results[0].Entry.GetId()
	listed, err := entries.ListEntries(ctx, &entryv1.ListEntriesRequest{PageSize: 10})
	if err := show("ListEntries", listed, err); err != nil {
		return err
	}
	_, err = entries.GetEntry(ctx, &entryv1.GetEntryRequest{Id: "none"})
	fmt.Println(quoted("GetEntry error", err))
	token, err := agentv1.NewAgentClient(conn).CreateJoinToken(ctx, &agentv1.CreateJoinTokenRequest{Ttl: 60})
	if err := show("CreateJoinToken", token, err); err != nil {
		return err
	}
	bundle, err := bundlev1.NewBundleClient(conn).GetBundle(ctx, &bundlev1.GetBundleRequest{})
	if err := show("GetBundle", bundle, err); err != nil {
		return err
	}
	minted, err := svidv1.NewSVIDClient(conn).MintJWTSVID(ctx, &svidv1.MintJWTSVIDRequest{
		Id: &types.SPIFFEID{TrustDomain: domain, Path: "/go"}, Audience: []string{"a"}, Ttl: 60,
	})
	if err := show("MintJWTSVID", minted, err); err != nil {
		return err
	}
	deleted, err := entries.BatchDeleteEntry(ctx, &entryv1.BatchDeleteEntryRequest{Ids: []string{id, id}})
	return show("BatchDeleteEntry", deleted, err)
}

func show(name string, message proto.Message, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	text, err := protojson.Marshal(message)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]json.RawMessage{name: text})
}

func quoted(name string, err error) string {
	text, _ := json.Marshal(map[string]string{name: fmt.Sprint(err)})
	return string(text)
}
