package main

import (
	"context"
	"sync"

	"github.com/hashicorp/hcl"
	configv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/service/common/config/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// settings are the keys that every plugin of this program knows.
type settings struct {
	// Directory is where a plugin writes what it was told.
	Directory string `hcl:"directory"`
	// Value is whatever a plugin makes of it.
	Value string `hcl:"value"`
	// Refused makes Configure fail and Validate complain.
	Refused string `hcl:"refused"`

	trustDomain string
}

type configurable struct {
	configv1.UnimplementedConfigServer

	mu       sync.RWMutex
	settings *settings
}

func (c *configurable) Configure(_ context.Context, req *configv1.ConfigureRequest) (*configv1.ConfigureResponse, error) {
	read := new(settings)
	if err := hcl.Decode(read, req.HclConfiguration); err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "unable to decode configuration: %v", err)
	}
	if read.Refused != "" {
		return nil, status.Error(codes.InvalidArgument, read.Refused)
	}
	read.trustDomain = req.CoreConfiguration.GetTrustDomain()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settings = read
	return &configv1.ConfigureResponse{}, nil
}

func (c *configurable) Validate(_ context.Context, req *configv1.ValidateRequest) (*configv1.ValidateResponse, error) {
	read := new(settings)
	if err := hcl.Decode(read, req.HclConfiguration); err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "unable to decode configuration: %v", err)
	}
	if read.Refused != "" {
		return &configv1.ValidateResponse{Valid: false, Notes: []string{read.Refused}}, nil
	}
	return &configv1.ValidateResponse{Valid: true}, nil
}

func (c *configurable) get() (*settings, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.settings == nil {
		return nil, status.Error(codes.FailedPrecondition, "not configured")
	}
	return c.settings, nil
}
