package main

import (
	"bytes"

	"github.com/hashicorp/go-hclog"
	"github.com/spiffe/spire-plugin-sdk/pluginsdk"
	agentstorev1 "github.com/spiffe/spire-plugin-sdk/proto/spire/hostservice/server/agentstore/v1"
	agentnodeattestorv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/agent/nodeattestor/v1"
	nodeattestorv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/nodeattestor/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const challengeText = "say it again"

// serverNodeAttestor believes an agent that echoes its challenge, once: a node that is in the agent store has used its
// only chance.
type serverNodeAttestor struct {
	nodeattestorv1.UnimplementedNodeAttestorServer
	configurable

	log    hclog.Logger
	agents agentstorev1.AgentStoreServiceClient
}

func (p *serverNodeAttestor) SetLogger(log hclog.Logger) { p.log = log }

func (p *serverNodeAttestor) BrokerHostServices(broker pluginsdk.ServiceBroker) error {
	if !broker.BrokerClient(&p.agents) {
		return status.Error(codes.FailedPrecondition, "no agent store")
	}
	return nil
}

func (p *serverNodeAttestor) Attest(stream nodeattestorv1.NodeAttestor_AttestServer) error {
	config, err := p.get()
	if err != nil {
		return err
	}
	req, err := stream.Recv()
	if err != nil {
		return err
	}
	node := string(req.GetPayload())
	if node == "nobody" {
		return status.Error(codes.PermissionDenied, "toFu: nobody is not welcome")
	}
	challenge := []byte(challengeText)
	if err := stream.Send(&nodeattestorv1.AttestResponse{
		Response: &nodeattestorv1.AttestResponse_Challenge{Challenge: challenge},
	}); err != nil {
		return err
	}
	answer, err := stream.Recv()
	if err != nil {
		return err
	}
	if !bytes.Equal(answer.GetChallengeResponse(), challenge) {
		return status.Error(codes.PermissionDenied, "the answer is wrong")
	}
	id := "spiffe://" + config.trustDomain + "/spire/agent/tofu/" + node
	_, err = p.agents.GetAgentInfo(stream.Context(), &agentstorev1.GetAgentInfoRequest{AgentId: id})
	switch status.Code(err) {
	case codes.NotFound:
	case codes.OK:
		return status.Error(codes.PermissionDenied, "attestation data has already been used to attest an agent")
	default:
		return err
	}
	headers, _ := metadata.FromIncomingContext(stream.Context())
	p.log.Warn("Trusting on first use", "node", node, "client_ip", first(headers.Get("X-Forwarded-Client-IP")))
	return stream.Send(&nodeattestorv1.AttestResponse{
		Response: &nodeattestorv1.AttestResponse_AgentAttributes{AgentAttributes: &nodeattestorv1.AgentAttributes{
			SpiffeId:       id,
			SelectorValues: []string{"node:" + node, "value:" + config.Value},
		}},
	})
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// agentNodeAttestor is the agent's half: its value is the node's name, and it echoes challenges.
type agentNodeAttestor struct {
	agentnodeattestorv1.UnimplementedNodeAttestorServer
	configurable
}

func (p *agentNodeAttestor) AidAttestation(stream agentnodeattestorv1.NodeAttestor_AidAttestationServer) error {
	config, err := p.get()
	if err != nil {
		return err
	}
	if err := stream.Send(&agentnodeattestorv1.PayloadOrChallengeResponse{
		Data: &agentnodeattestorv1.PayloadOrChallengeResponse_Payload{Payload: []byte(config.Value)},
	}); err != nil {
		return err
	}
	challenge, err := stream.Recv()
	if err != nil {
		return err
	}
	return stream.Send(&agentnodeattestorv1.PayloadOrChallengeResponse{
		Data: &agentnodeattestorv1.PayloadOrChallengeResponse_ChallengeResponse{ChallengeResponse: challenge.Challenge},
	})
}
