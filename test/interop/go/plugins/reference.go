package main

import (
	"context"
	"strings"

	"github.com/spiffe/go-spiffe/v2/exp/proto/spiffe/broker"
	workloadattestorv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/agent/workloadattestor/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// referenceAttestor understands texts as references, and processes as references only; it says who asked.
type referenceAttestor struct {
	workloadattestorv1.UnimplementedWorkloadAttestorServer
	configurable
}

func (p *referenceAttestor) AttestReference(ctx context.Context, req *workloadattestorv1.AttestReferenceRequest) (*workloadattestorv1.AttestReferenceResponse, error) {
	asked, _ := metadata.FromIncomingContext(ctx)
	caller := "caller:" + strings.Join(asked.Get("spire-agent-broker-caller-id"), ",")
	if process := new(broker.WorkloadPIDReference); req.Reference.MessageIs(process) {
		return &workloadattestorv1.AttestReferenceResponse{SelectorValues: []string{"process", caller}}, nil
	}
	text := new(wrapperspb.StringValue)
	if !req.Reference.MessageIs(text) {
		return nil, status.Error(codes.Unimplemented, "not a text")
	}
	if err := req.Reference.UnmarshalTo(text); err != nil {
		return nil, status.Error(codes.InvalidArgument, "a text that cannot be read")
	}
	if text.Value == "nobody" {
		return nil, status.Error(codes.NotFound, "nobody of that name")
	}
	return &workloadattestorv1.AttestReferenceResponse{SelectorValues: []string{"text:" + text.Value, caller}}, nil
}
