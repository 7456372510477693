package main

import (
	"context"
	"encoding/base64"
	"fmt"

	svidstorev1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/agent/svidstore/v1"
	workloadattestorv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/agent/workloadattestor/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// workloadAttestor finds its configured value, and whether there was a process ID.
type workloadAttestor struct {
	workloadattestorv1.UnimplementedWorkloadAttestorServer
	configurable
}

func (p *workloadAttestor) Attest(_ context.Context, req *workloadattestorv1.AttestRequest) (*workloadattestorv1.AttestResponse, error) {
	config, err := p.get()
	if err != nil {
		return nil, err
	}
	if config.Value == "fail" {
		return nil, status.Error(codes.Internal, "cannot look at it")
	}
	return &workloadattestorv1.AttestResponse{
		SelectorValues: []string{"value:" + config.Value, fmt.Sprintf("has-pid:%t", req.Pid > 0)},
	}, nil
}

type storedSVID struct {
	Event     string            `json:"event"`
	Metadata  []string          `json:"metadata"`
	SPIFFEID  string            `json:"spiffeID,omitempty"`
	Chain     []string          `json:"chain,omitempty"`
	Key       string            `json:"key,omitempty"`
	Bundle    []string          `json:"bundle,omitempty"`
	Federated map[string]string `json:"federated,omitempty"`
	ExpiresAt int64             `json:"expiresAt,omitempty"`
}

// svidStore writes down what it is given and what it is to remove.
type svidStore struct {
	svidstorev1.UnimplementedSVIDStoreServer
	configurable
}

func (p *svidStore) PutX509SVID(_ context.Context, req *svidstorev1.PutX509SVIDRequest) (*svidstorev1.PutX509SVIDResponse, error) {
	config, err := p.get()
	if err != nil {
		return nil, err
	}
	stored := storedSVID{
		Event:     "put",
		Metadata:  req.Metadata,
		SPIFFEID:  req.Svid.SpiffeID,
		Key:       base64.StdEncoding.EncodeToString(req.Svid.PrivateKey),
		Federated: make(map[string]string),
		ExpiresAt: req.Svid.ExpiresAt,
	}
	for _, certificate := range req.Svid.CertChain {
		stored.Chain = append(stored.Chain, base64.StdEncoding.EncodeToString(certificate))
	}
	for _, certificate := range req.Svid.Bundle {
		stored.Bundle = append(stored.Bundle, base64.StdEncoding.EncodeToString(certificate))
	}
	for name, bundle := range req.FederatedBundles {
		stored.Federated[name] = base64.StdEncoding.EncodeToString(bundle)
	}
	return &svidstorev1.PutX509SVIDResponse{}, write(config.Directory, "svids.jsonl", stored)
}

func (p *svidStore) DeleteX509SVID(_ context.Context, req *svidstorev1.DeleteX509SVIDRequest) (*svidstorev1.DeleteX509SVIDResponse, error) {
	config, err := p.get()
	if err != nil {
		return nil, err
	}
	return &svidstorev1.DeleteX509SVIDResponse{}, write(config.Directory, "svids.jsonl", storedSVID{Event: "delete", Metadata: req.Metadata})
}
