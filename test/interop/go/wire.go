package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"

	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/service/secret/v3"
	_ "github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	_ "github.com/spiffe/spire-api-sdk/proto/spire/api/agent/debug/v1"
	_ "github.com/spiffe/spire-api-sdk/proto/spire/api/agent/delegatedidentity/v1"
	_ "github.com/spiffe/spire-api-sdk/proto/spire/api/agent/logger/v1"
	_ "github.com/spiffe/spire-api-sdk/proto/spire/api/server/agent/v1"
	_ "github.com/spiffe/spire-api-sdk/proto/spire/api/server/bundle/v1"
	_ "github.com/spiffe/spire-api-sdk/proto/spire/api/server/debug/v1"
	_ "github.com/spiffe/spire-api-sdk/proto/spire/api/server/entry/v1"
	_ "github.com/spiffe/spire-api-sdk/proto/spire/api/server/localauthority/v1"
	_ "github.com/spiffe/spire-api-sdk/proto/spire/api/server/logger/v1"
	_ "github.com/spiffe/spire-api-sdk/proto/spire/api/server/svid/v1"
	_ "github.com/spiffe/spire-api-sdk/proto/spire/api/server/trustdomain/v1"
	_ "github.com/hashicorp/go-plugin"
	_ "github.com/spiffe/spire-plugin-sdk/private"
	_ "github.com/spiffe/spire-plugin-sdk/proto/spire/hostservice/common/metrics/v1"
	_ "github.com/spiffe/spire-plugin-sdk/proto/spire/hostservice/server/agentstore/v1"
	_ "github.com/spiffe/spire-plugin-sdk/proto/spire/hostservice/server/identityprovider/v1"
	_ "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/agent/keymanager/v1"
	_ "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/agent/nodeattestor/v1"
	_ "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/agent/svidstore/v1"
	_ "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/agent/workloadattestor/v1"
	_ "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/bundlepublisher/v1"
	_ "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/credentialcomposer/v1"
	_ "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/keymanager/v1"
	_ "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/nodeattestor/v1"
	_ "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/notifier/v1"
	_ "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/upstreamauthority/v1"
	_ "github.com/spiffe/spire-plugin-sdk/proto/spire/service/common/config/v1"
	_ "google.golang.org/genproto/googleapis/rpc/status"
	_ "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

type wireLine struct {
	Message string `json:"message"`
	Hex     string `json:"hex"`
}

// wire decodes each message with Go's types, refuses fields Go does not know, and prints what Go writes for it.
func wire(in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<24)
	enc := json.NewEncoder(out)
	for lines.Scan() {
		var line wireLine
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return err
		}
		written, err := rewrite(line)
		if err != nil {
			return fmt.Errorf("%s: %w", line.Message, err)
		}
		if err := enc.Encode(wireLine{Message: line.Message, Hex: written}); err != nil {
			return err
		}
	}
	return lines.Err()
}

func rewrite(line wireLine) (string, error) {
	kind, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(line.Message))
	if err != nil {
		return "", err
	}
	bytes, err := hex.DecodeString(line.Hex)
	if err != nil {
		return "", err
	}
	message := kind.New().Interface()
	if err := proto.Unmarshal(bytes, message); err != nil {
		return "", err
	}
	if unknown := message.ProtoReflect().GetUnknown(); len(unknown) > 0 {
		return "", fmt.Errorf("unknown fields %x", unknown)
	}
	written, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	return hex.EncodeToString(written), err
}
